/* SPDX-License-Identifier: Apache-2.0
 *
 * limn verify: what pictures say about where they come from.  Exits 0 when every file's marks are
 * intact, 1 when one is broken or cannot be read, 2 when one has none. */
#include "cli.h"

typedef struct own {
    const char *anchors;
    bool json;
} own;

static const limn_setting own_rows[] = {
    { "anchors", LIMN_SETTING_TEXT, offsetof(own, anchors), 0, 0, NULL, "trust-anchors",
      "PEM file of certificates to trust; none: nobody is known" },
    { "json", LIMN_SETTING_FLAG, offsetof(own, json), 0, 0, NULL, NULL,
      "print one JSON object a file" },
    { .name = NULL },
};

limn_status limn_cli_verify_settings(limn_cli_see see, void *context, limn_error *error)
{
    (void)error;
    see(context, own_rows, &(own){ NULL, false });
    return LIMN_OK;
}

static const char *seal_word(limn_seal seal)
{
    return seal == LIMN_SEAL_GOOD ? "good" : seal == LIMN_SEAL_BAD ? "bad" : "absent";
}

static void print_json(const char *path, const limn_verification *v)
{
    const struct {
        const char *name, *text;
    } texts[] = {
        { "file", path },
        { "verdict", limn_verdict_text(v->verdict) },
        { "sentence", v->sentence },
        { "format", v->format },
        { "binding", seal_word(v->binding) },
        { "assertions", seal_word(v->assertions) },
        { "signature", seal_word(v->signature) },
        { "trust", v->trust == LIMN_TRUST_KNOWN     ? "known"
                   : v->trust == LIMN_TRUST_UNKNOWN ? "unknown"
                                                    : "unasked" },
        { "manifest", v->manifest },
        { "generator", v->generator },
        { "title", v->title },
        { "action", v->action },
        { "source_type", v->source_type },
        { "algorithm", v->algorithm },
        { "signer", v->signer },
        { "issuer", v->issuer },
        { "xmp_source_type", v->xmp_source_type },
        { "xmp_tool", v->xmp_tool },
        { "xmp_model", v->xmp_model },
    };

    putchar('{');
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        printf("%s\"%s\": ", i ? ", " : "", texts[i].name);
        limn_cli_json_text(texts[i].text);
    }
    printf(", \"self_made\": %s, \"manifests\": %zu}\n", v->self_made ? "true" : "false",
           v->manifests);
}

static void print(const char *path, const limn_verification *v)
{
    limn_cli_safe_text(stdout, path);
    printf(": ");
    limn_cli_safe_text(stdout, v->sentence);
    putchar('\n');
    for (size_t i = 0; i < v->line_count; i++) {
        printf("    ");
        limn_cli_safe_text(stdout, v->lines[i]);
        putchar('\n');
    }
}

/* Keeps what decides the exit: unreadable or broken before none. */
static void decide(limn_error *worst, const limn_error *found)
{
    if (!worst->status || (worst->status == LIMN_MARKS_NONE && found->status != LIMN_MARKS_NONE))
        *worst = *found;
}

static void examine(const char *path, const own *o, limn_error *worst)
{
    limn_error found = { 0 };
    limn_verification *v;

    if (limn_verify_file(&v, path, o->anchors, &found)) {
        decide(worst, &found);
        return;
    }
    if (o->json)
        print_json(path, v);
    else
        print(path, v);
    if (v->verdict != LIMN_VERDICT_INTACT) {
        bool none = v->verdict == LIMN_VERDICT_NONE;

        limn_cli_fail(&found, none ? LIMN_MARKS_NONE : LIMN_MARKS_BROKEN, "%s: %s", path,
                      none ? "carries no manifest of origin" : "the marks of origin are broken");
        decide(worst, &found);
    }
    limn_verification_close(&v);
}

limn_status limn_cli_verify(int argc, char **argv, limn_error *error)
{
    own o = { NULL, false };
    limn_cli_table tables[] = { { own_rows, &o }, { NULL, NULL } };
    limn_error worst = { 0 };
    limn_status status = limn_cli_read(tables, &argc, argv, error);

    if (status) return status;
    if (argc < 2) return limn_cli_usage(error, argv[0], "say which file");
    for (int i = 1; i < argc; i++) {
        limn_error one = { 0 };

        examine(argv[i], &o, &one);
        if (one.status) {
            if (argc > 2 && one.status != LIMN_MARKS_NONE) {
                fputs("limn: ", stderr);
                limn_cli_safe_text(stderr, one.text);
                fputc('\n', stderr);
            }
            decide(&worst, &one);
        }
    }
    if (worst.status) *error = worst;
    return worst.status;
}
