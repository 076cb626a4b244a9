/* SPDX-License-Identifier: Apache-2.0
 *
 * limn import, limn export and limn info. */
#include "cli.h"
#include "runtime.h"

#include <string.h>

typedef struct own {
    const char *output, *network;
    bool json, check;
    limn_model_words words;
} own;

#define OUTPUT(says)                                                                               \
    {                                                                                              \
        .name = "output", .kind = LIMN_SETTING_TEXT, .offset = offsetof(own, output),              \
        .aliases = "out o", .help = says                                                           \
    }

static const limn_setting import_rows[] = { OUTPUT("the model file to write"), { 0 } };
static const limn_setting export_rows[] = {
    OUTPUT("the file to write: ONNX, or .safetensors for a model of half the bytes"),
    { .name = "network",
      .kind = LIMN_SETTING_TEXT,
      .offset = offsetof(own, network),
      .help = "which network, where the model has several (CycleGAN: G_A, G_B)" },
    { .name = "check",
      .kind = LIMN_SETTING_FLAG,
      .offset = offsetof(own, check),
      .help = "run the file with onnxruntime and compare with limn on random numbers" },
    { .name = "title",
      .kind = LIMN_SETTING_TEXT,
      .offset = offsetof(own, words.title),
      .help = "for a .safetensors file: what the card says the model is" },
    { .name = "licence",
      .kind = LIMN_SETTING_TEXT,
      .offset = offsetof(own, words.licence),
      .aliases = "license",
      .help = "for a .safetensors file: the card's licence" },
    { .name = "attribution",
      .kind = LIMN_SETTING_TEXT,
      .offset = offsetof(own, words.attribution),
      .help = "for a .safetensors file: whom the card names" },
    { 0 },
};
static const limn_setting quantize_rows[] = { OUTPUT("the int8 model to write"), { 0 } };
static const limn_setting info_rows[] = {
    { .name = "json",
      .kind = LIMN_SETTING_FLAG,
      .offset = offsetof(own, json),
      .help = "print one JSON object a file" },
    { 0 },
};

limn_status limn_cli_import_settings(limn_cli_see see, void *context, limn_error *error)
{
    static const limn_import_settings nothing;

    (void)error;
    see(context, import_rows, &(own){ 0 });
    see(context, limn_import_rows(), &nothing);
    return LIMN_OK;
}

limn_status limn_cli_export_settings(limn_cli_see see, void *context, limn_error *error)
{
    (void)error;
    see(context, export_rows, &(own){ 0 });
    return LIMN_OK;
}

limn_status limn_cli_quantize_settings(limn_cli_see see, void *context, limn_error *error)
{
    limn_quantize_settings defaults = limn_quantize_defaults();

    (void)error;
    see(context, quantize_rows, &(own){ 0 });
    see(context, limn_quantize_rows(), &defaults);
    return LIMN_OK;
}

limn_status limn_cli_info_settings(limn_cli_see see, void *context, limn_error *error)
{
    (void)error;
    see(context, info_rows, &(own){ 0 });
    return LIMN_OK;
}

/* Settings, then exactly one name, and -o. */
static limn_status read_one(const limn_cli_table *tables, const own *o, int argc, char **argv,
                            limn_error *error)
{
    limn_status status = limn_cli_read(tables, &argc, argv, error);

    if (status) return status;
    if (argc != 2 || !o->output)
        return limn_cli_usage(error, argv[0],
                              argc < 2   ? "say which file"
                              : argc > 2 ? "one file at a time"
                                         : "say where to with -o");
    return LIMN_OK;
}

limn_status limn_cli_import(int argc, char **argv, limn_error *error)
{
    limn_import_settings settings = { 0 };
    own o = { 0 };
    limn_cli_table tables[] = { { limn_import_rows(), &settings },
                                { import_rows, &o },
                                { NULL, NULL } };
    limn_status status = read_one(tables, &o, argc, argv, error);

    return status ? status : limn_import(argv[1], o.output, &settings, error);
}

limn_status limn_cli_export(int argc, char **argv, limn_error *error)
{
    own o = { 0 };
    limn_cli_table tables[] = { { export_rows, &o }, { NULL, NULL } };
    limn_status status = read_one(tables, &o, argc, argv, error);
    const limn_model_words *w = &o.words;
    const char *end;

    if (status) return status;
    end = strrchr(o.output, '.');
    if (end && !strcmp(end, ".safetensors")) {
        if (o.check)
            return limn_cli_usage(error, argv[0],
                                  "--check runs ONNX files; score the model instead");
        return limn_export_half(argv[1], o.output, o.network, w, error);
    }
    if (w->title || w->licence || w->attribution)
        return limn_cli_usage(error, argv[0],
                              "--title, --licence and --attribution are for "
                              ".safetensors files");
    status = limn_export(argv[1], o.output, o.network, error);
    if (status || !o.check) return status;
    return limn_cli_compare_export(argv[1], o.network, o.output, error);
}

limn_status limn_cli_info(int argc, char **argv, limn_error *error)
{
    own o = { 0 };
    limn_cli_table tables[] = { { info_rows, &o }, { NULL, NULL } };
    limn_status status = limn_cli_read(tables, &argc, argv, error);

    if (!status && argc < 2) status = limn_cli_usage(error, argv[0], "say which file");
    for (int i = 1; i < argc && !status; i++) {
        if (i > 1 && !o.json) putchar('\n');
        status = limn_info(argv[i], o.json, stdout, error);
    }
    return status;
}

limn_status limn_cli_quantize(int argc, char **argv, limn_error *error)
{
    limn_quantize_settings settings = limn_quantize_defaults();
    limn_quantize_result r;
    own o = { 0 };
    limn_cli_table tables[] = { { limn_quantize_rows(), &settings },
                                { quantize_rows, &o },
                                { NULL, NULL } };
    limn_status status = limn_cli_read(tables, &argc, argv, error);

    if (status) return status;
    if (argc != 3 || !o.output)
        return limn_cli_usage(error, argv[0],
                              argc < 2   ? "say which model"
                              : argc < 3 ? "say which pictures to calibrate on"
                              : o.output ? "one model and one folder"
                                         : "say where to with -o");
    status = limn_quantize(argv[1], argv[2], o.output, &settings, &r, stdout, error);
    if (status) return status;
    printf("%d of %d convolutions are int8; %.1f MB became %.1f\n", r.int8_layers, r.layers,
           r.megabytes_before, r.megabytes_after);
    printf("int8 against float: %.2f dB on %d calibration pictures, %.2f dB on %d held out "
           "(worst %.2f)\n",
           r.psnr, r.pictures, r.held_out_psnr, r.held_out, r.held_out_worst);
    return LIMN_OK;
}
