/* SPDX-License-Identifier: Apache-2.0
 *
 * limn bench and limn plan. */
#include "cli.h"

typedef struct own {
    bool json, profile;
} own;

static const limn_setting own_rows[] = {
    { "json", LIMN_SETTING_FLAG, offsetof(own, json), 0, 0, NULL, NULL, "print one JSON object" },
    { "profile", LIMN_SETTING_FLAG, offsetof(own, profile), 0, 0, NULL, NULL,
      "print what each operation costs" },
    { .name = NULL },
};

limn_status limn_cli_plan_settings(limn_cli_see see, void *context, limn_error *error)
{
    limn_bench_settings defaults = limn_bench_defaults();

    (void)error;
    see(context, limn_bench_rows(), &defaults);
    return LIMN_OK;
}

limn_status limn_cli_bench_settings(limn_cli_see see, void *context, limn_error *error)
{
    limn_status status = limn_cli_plan_settings(see, context, error);

    see(context, own_rows, &(own){ false, false });
    return status;
}

/* o: NULL where the command has no settings of its own. */
static limn_status read(int argc, char **argv, limn_bench_settings *s, own *o, limn_error *error)
{
    limn_cli_table tables[] = { { limn_bench_rows(), s },
                                { o ? own_rows : NULL, o },
                                { NULL, NULL } };
    limn_status status;

    *s = limn_bench_defaults();
    if (o) *o = (own){ false, false };
    status = limn_cli_read(tables, &argc, argv, error);
    if (status) return status;
    if (argc != 2) return limn_cli_usage(error, argv[0], "say what");
    s->what = argv[1];
    return LIMN_OK;
}

limn_status limn_cli_bench(int argc, char **argv, limn_error *error)
{
    limn_bench_settings s;
    limn_bench_result r;
    own o;
    limn_status status = read(argc, argv, &s, &o, error);

    if (!status) status = limn_bench(&s, &r, o.profile ? stdout : NULL, error);
    if (status) return status;
    if (o.json)
        printf("{\"what\": \"%s\", \"compute\": \"%s\", \"median_ms\": %.3f, \"min_ms\": %.3f, "
               "\"max_ms\": %.3f, \"gflops\": %.2f, \"peak_gflops\": %.1f, \"peak_percent\": %.1f, "
               "\"rss_mib\": %.1f, \"plan_ms\": %.1f}\n",
               s.what, r.compute, r.median_ms, r.min_ms, r.max_ms, r.gflops, r.peak_gflops,
               r.peak_percent, r.rss_mib, r.plan_ms);
    else
        printf("%s, %s%s: %.1f ms (%.1f to %.1f), %.0f GFLOP/s, %.0f %% of this machine's peak of "
               "%.0f, "
               "%.0f MiB resident, planned in %.0f ms\n",
               s.what, s.int8 ? "int8 and " : "", r.compute, r.median_ms, r.min_ms, r.max_ms,
               r.gflops, r.peak_percent, r.peak_gflops, r.rss_mib, r.plan_ms);
    if (s.tune && !o.json) printf("%d choices measured\n", r.measured);
    return LIMN_OK;
}

limn_status limn_cli_plan(int argc, char **argv, limn_error *error)
{
    limn_bench_settings s;
    limn_status status = read(argc, argv, &s, NULL, error);

    return status ? status : limn_show_plan(&s, stdout, error);
}
