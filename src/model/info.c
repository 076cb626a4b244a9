/* SPDX-License-Identifier: Apache-2.0
 *
 * limn info: what a file is, what it expects, where it came from; for people or as one JSON object.
 *
 * Both forms come from the same calls: a printer puts key and value as a line or as JSON.  (The
 * JSON library's home is src/tensor/; writing needs no more than the escapes below.)  Texts of a
 * file are anybody's: control characters never reach a terminal. */
#include "base/file.h"
#include "model/deduce.h"
#include "model/foreign.h"
#include "model/model.h"
#include "model/onnx.h"

#include <string.h>

typedef struct printer {
    FILE *to;
    bool json;
    int depth;
    bool first;   /* nothing was printed in this object yet */
    bool foreign; /* keys are the file's, not ours */
} printer;

/* ---- Printing -------------------------------------------------------------------------------- */

static void escaped(FILE *to, const char *text)
{
    fputc('"', to);
    for (const unsigned char *at = (const unsigned char *)text; *at; at++)
        if (*at == '"' || *at == '\\')
            fprintf(to, "\\%c", *at);
        else if (*at < 32 || *at == 127)
            fprintf(to, "\\u%04x", *at);
        else
            fputc(*at, to);
    fputc('"', to);
}

static void plain(FILE *to, const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at; at++)
        fputc(*at < 32 || *at == 127 ? '?' : *at, to);
}

/* Up to the value of a JSON member.  Our keys are words for people; programs get "made_by". */
static void member(printer *p, const char *key)
{
    char name[64];
    size_t n = 0;

    if (!p->first) fputs(", ", p->to);
    p->first = false;
    for (const char *at = key; *at && n + 1 < sizeof name; at++)
        if (*at != ':') name[n++] = *at == ' ' || *at == '-' ? '_' : *at;
    name[n] = 0;
    escaped(p->to, p->foreign ? key : name);
    fputs(": ", p->to);
}

static void text(printer *p, const char *key, const char *value)
{
    if (!value) return;
    if (p->json) {
        member(p, key);
        escaped(p->to, value);
        return;
    }
    fprintf(p->to, "%*s", 2 * p->depth, "");
    plain(p->to, key);
    fprintf(p->to, "%*s ",
            (int)strlen(key) < 22 - 2 * p->depth ? 22 - 2 * p->depth - (int)strlen(key) : 0, "");
    plain(p->to, value);
    fputc('\n', p->to);
}

/* A number or true or false. */
static void word(printer *p, const char *key, const char *value)
{
    if (!p->json) {
        text(p, key, value);
        return;
    }
    member(p, key);
    fputs(value, p->to);
}

static void number(printer *p, const char *key, long long value)
{
    char digits[32];

    snprintf(digits, sizeof digits, "%lld", value);
    word(p, key, digits);
}

static void begin(printer *p, const char *key)
{
    if (p->json) {
        if (p->depth) member(p, key);
        fputc('{', p->to);
        p->first = true;
    } else if (p->depth) {
        fprintf(p->to, "%*s%s\n", 2 * p->depth, "", key);
    }
    p->depth++;
}

static void end(printer *p)
{
    p->depth--;
    if (p->json) fputs(p->depth ? "}" : "}\n", p->to);
    p->first = false;
}

static void pairs(printer *p, const char *key, const limn_saved_text *all, size_t count)
{
    if (!count) return;
    begin(p, key);
    p->foreign = true;
    for (size_t i = 0; i < count; i++) text(p, all[i].key, all[i].value);
    p->foreign = false;
    end(p);
}

/* ---- Ours ------------------------------------------------------------------------------------ */

static const char *behaviour(const limn_network *n)
{
    if (n->norm == LIMN_NORM_INSTANCE) return "instance norm: each picture by itself";
    if (n->norm == LIMN_NORM_NONE) return "no norm";
    return n->picture_statistics ? "batch norm with the picture's own statistics"
                                 : "batch norm with the running statistics of training";
}

static void network(printer *p, const limn_model *model, const limn_model_network *n)
{
    bool generator = limn_network_multiple(n->network.net) &&
                     !limn_network_is_critic(n->network.net);
    long long parameters = 0;
    char value[80];

    for (size_t i = 0; i < limn_model_count(model); i++) {
        const limn_saved_tensor *t = limn_model_at(model, i);
        size_t front = strlen(n->name);

        if (limn_model_about(model)->network_count > 1 &&
            (strncmp(t->name, n->name, front) || t->name[front] != '.'))
            continue;
        if (!strstr(t->name, ".running_") && !strstr(t->name, ".num_batches") &&
            !strstr(t->name, ".exp_avg"))
            parameters += (long long)t->count;
    }
    begin(p, n->name);
    for (const limn_setting *row = limn_network_rows; row->name; row++) {
        limn_setting_get(row, &n->network, value, sizeof value);
        if (row->kind == LIMN_SETTING_TEXT || row->kind == LIMN_SETTING_CHOICE)
            text(p, row->name, value);
        else if (p->json || (strcmp(value, "false") && strcmp(value, "0")))
            word(p, row->name, value);
    }
    number(p, "parameters", parameters);
    if (generator) {
        text(p, "norm in use", behaviour(&n->network));
        text(p, "dropout in use", n->dropout_in_use ? "on" : "off");
        if (n->int8) text(p, "precision", "int8, but for what the record lists (int8.kept)");
        text(p, "input", n->input);
        text(p, "output", n->output);
        number(p, "sizes: multiples of", limn_network_multiple(n->network.net));
    }
    end(p);
}

static void ours(printer *p, const limn_model *model)
{
    const limn_model_card *card = limn_model_about(model);

    text(p, "kind", card->checkpoint ? "limn checkpoint" : "limn model");
    number(p, "format", card->format);
    text(p, "title", card->title);
    text(p, "made by", card->software);
    text(p, "made from", card->made_from);
    text(p, "recipe", card->recipe);
    text(p, "direction", card->direction);
    text(p, "translates with", card->generator);
    text(p, "range", "[-1, 1]");
    text(p, "licence", card->licence);
    text(p, "attribution", card->attribution);
    begin(p, "networks");
    for (int i = 0; i < card->network_count; i++) network(p, model, &card->networks[i]);
    end(p);
    pairs(p, "settings", card->settings, card->setting_count);
    pairs(p, "record", card->record, card->record_count);
    text(p, "pictures are", card->source_type);
    text(p, "notice", card->notice);
    text(p, "weights sha256", card->weights_sha256);
    if (card->weights_sha256)
        word(p, "weights intact", limn_model_intact(model) ? "true" : "false");
}

/* ---- Others ---------------------------------------------------------------------------------- */

static void deduced(printer *p, const limn_deduced *d)
{
    begin(p, "network");
    text(p, "net", d->network);
    text(p, "is a", d->generator ? "generator" : "critic");
    number(p, "input-nc", d->input_nc);
    number(p, "output-nc", d->output_nc);
    number(p, d->generator ? "ngf" : "ndf", d->filters);
    if (d->layers) number(p, "n-layers", d->layers);
    text(p, "norm", d->norm);
    if (!strcmp(d->norm, "batch")) word(p, "running statistics", d->statistics ? "true" : "false");
    text(p, "dropout", d->dropout < 0 ? "not visible in the file" : d->dropout ? "yes" : "no");
    if (d->blocks) text(p, "padding", d->padding);
    if (d->blocks || d->layers) {
        word(p, "antialias", d->antialias ? "true" : "false");
        if (d->blocks) word(p, "antialias-up", d->antialias_up ? "true" : "false");
    }
    if (d->generator) {
        text(p, "range", "[-1, 1]");
        text(p, "input", limn_model_colour(d->input_nc));
        text(p, "output", limn_model_colour(d->output_nc));
        number(p, "sizes: multiples of", limn_network_multiple(d->network));
    }
    end(p);
}

static limn_status foreign(printer *p, const limn_checkpoint *checkpoint, limn_arena *arena,
                           limn_error *error)
{
    limn_error reason = { 0 };
    limn_deduced d;
    limn_state state;
    limn_status status;

    text(p, "kind", limn_checkpoint_kind_text(limn_checkpoint_is(checkpoint)));
    number(p, "tensors", (long long)limn_checkpoint_count(checkpoint));
    status = limn_state_choose(&state, checkpoint, NULL, arena, &reason);
    if (!status && *state.part) text(p, "part", state.part);
    if (!status) status = limn_deduce(&d, &state, &(limn_wishes){ .dropout = -1 }, arena, &reason);
    if (status == LIMN_NO_MEMORY) return limn_fail(error, status, "%s", reason.text);
    if (status) {
        text(p, "cannot be imported", reason.text);
        return LIMN_OK;
    }
    deduced(p, &d);
    text(p, "to use it", "limn import FILE -o model.safetensors");
    return LIMN_OK;
}

/* An exported model's metadata is the card that the model had. */
static void exported(printer *p, const limn_onnx_about *about)
{
    bool ours = about->producer && !strcmp(about->producer, "limn") &&
                limn_model_text(about->texts, about->text_count, "limn.format");

    text(p, "kind", ours ? "ONNX, exported by limn" : "ONNX");
    text(p, "producer", about->producer);
    text(p, "version", about->version);
    number(p, "opset", about->opset);
    text(p, "notice", about->notice);
    pairs(p, "metadata", about->texts, about->text_count);
    text(p, "to use it",
         ours ? "onnxruntime and other runtimes take it (input \"input\", output \"output\", NCHW, "
                "[-1, 1]); limn's own commands take the model file that it was exported from"
              : "onnxruntime and other runtimes take it; limn writes ONNX (limn export) and does "
                "not read it");
}

/* ---- The whole ------------------------------------------------------------------------------- */

/* The size; and whether it is ONNX, which is what neither of the others would open. */
static limn_status look(const char *path, long long *bytes, limn_onnx_about *onnx, bool *is_onnx,
                        limn_arena *arena, limn_error *error)
{
    limn_mapping mapping;

    LIMN_TRY(limn_file_map(&mapping, path, error));
    *bytes = (long long)mapping.count;
    *is_onnx = mapping.count && limn_onnx_look(onnx, mapping.bytes, mapping.count, arena);
    limn_file_unmap(&mapping);
    return LIMN_OK;
}

limn_status limn_info(const char *path, bool json, FILE *to, limn_error *error)
{
    printer p = { .to = to, .json = json, .first = true };
    limn_model *model = NULL;
    limn_checkpoint *checkpoint = NULL;
    limn_arena arena;
    limn_status status;
    limn_onnx_about onnx;
    long long bytes;
    bool is_onnx = false;

    limn_arena_open(&arena, "info", 0);
    status = limn_model_path_of(&path, path, &arena, error); /* the folder of a run will do */
    if (!status) status = look(path, &bytes, &onnx, &is_onnx, &arena, error);
    if (!status && !is_onnx)
        status = limn_model_is(path) ? limn_model_open(&model, path, error)
                                     : limn_checkpoint_open(&checkpoint, path, error);
    if (status) {
        limn_arena_close(&arena);
        return status;
    }
    begin(&p, "");
    text(&p, "file", path);
    number(&p, "bytes", bytes);
    if (is_onnx)
        exported(&p, &onnx);
    else if (model)
        ours(&p, model);
    else
        status = foreign(&p, checkpoint, &arena, error);
    end(&p);
    limn_arena_close(&arena);
    limn_checkpoint_close(&checkpoint);
    limn_model_close(&model);
    if (!status && ferror(to))
        status = limn_fail(error, LIMN_IO, "could not write what %s is", path);
    return status;
}
