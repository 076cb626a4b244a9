/* SPDX-License-Identifier: Apache-2.0
 *
 * limn: learns to turn one kind of picture into another from examples, and does it.
 *
 * This is the one header of the library.  Every function that can fail returns a limn_status and
 * fills the limn_error it was given with one sentence that says what is wrong, where, and what to
 * do; it never prints and never exits.  Handles are opaque, are used by one thread at a time, and
 * their close function sets the caller's pointer to NULL. */
#ifndef LIMN_H
#define LIMN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Status and error ------------------------------------------------------------------------ */

/* One row a status: name, exit code of the command line, sentence. */
#define LIMN_STATUSES(X)                                                                           \
    X(OK, 0, "no error")                                                                           \
    X(NO_MEMORY, 1, "out of memory")                                                               \
    X(IO, 1, "could not read or write")                                                            \
    X(FORMAT, 1, "not in the form expected")                                                       \
    X(SHAPE, 1, "sizes do not fit together")                                                       \
    X(SETTING, 2, "unknown or unusable setting")                                                   \
    X(COMPUTE, 1, "the compute library refused")                                                   \
    X(STOPPED, 130, "stopped on request")                                                          \
    X(REFUSED_PICTURE, 3, "a picture was refused")                                                 \
    X(REFUSED_DATA, 4, "a data set was refused")                                                   \
    X(MARKS_BROKEN, 1, "marks of origin are broken")                                               \
    X(MARKS_NONE, 2, "no marks of origin")                                                         \
    X(BUG, 1, "a mistake inside limn")

typedef enum limn_status {
#define X(name, exit_code, text) LIMN_##name,
    LIMN_STATUSES(X)
#undef X
        LIMN_STATUS_COUNT
} limn_status;

/* Filled once, where a fault is found; a plain struct that the caller owns.  Start with {0}. */
typedef struct limn_error {
    limn_status status;
    char text[480];
} limn_error;

/* The sentence of a status ("out of memory"), and the command line's exit code for it. */
const char *limn_status_text(limn_status status);
int limn_status_exit_code(limn_status status);

/* ---- Settings -------------------------------------------------------------------------------- */

typedef enum limn_setting_kind {
    LIMN_SETTING_INT,    /* int */
    LIMN_SETTING_LONG,   /* int64_t */
    LIMN_SETTING_FLOAT,  /* double */
    LIMN_SETTING_TEXT,   /* const char *, NULL for none */
    LIMN_SETTING_FLAG,   /* bool; --name and --no-name */
    LIMN_SETTING_CHOICE, /* int: index into choices, "a|b|c" */
} limn_setting_kind;

/* One setting is one row.  A table of rows ends with a row whose name is NULL.  Command line, help,
 * run record, model metadata, web form and manual read it. */
typedef struct limn_setting {
    const char *name; /* words joined by dashes; underscores are accepted for dashes everywhere */
    limn_setting_kind kind;
    size_t offset;       /* offsetof the field in the struct that the table describes */
    double low, high;    /* INT, LONG, FLOAT: both ends allowed */
    const char *choices; /* CHOICE: all of them; TEXT: those that are usual, or NULL */
    const char *aliases; /* older and short spellings ("o" for -o), spaces between, or NULL */
    const char *help;
} limn_setting;

/* Sets one field by name from text.  Unknown names and values out of range are refused with the
 * nearest valid one named.  Text values are borrowed: they must outlive the struct. */
limn_status limn_setting_set(const limn_setting *rows, void *fields, const char *name,
                             const char *value, limn_error *error);

/* Writes the value of one row as text (floats so that they read back the same), cut to size. */
void limn_setting_get(const limn_setting *row, const void *fields, char *text, size_t size);

/* The row of that name or alias, or NULL. */
const limn_setting *limn_setting_find(const limn_setting *rows, const char *name);

/* What a row takes, as text cut to size: "1 to 1000000", "batch|instance|none"; empty where there
 * is no limit. */
void limn_setting_range(const limn_setting *row, char *text, size_t size);

/* The candidate nearest to the text by edit distance, or NULL when none is near.  Used for "did you
 * mean". */
const char *limn_nearest(const char *text, const char *const *candidates, size_t count);

/* ---- Translating: grade 1, a file ------------------------------------------------------------ */

/* Translates one picture of any size and kind and writes the result, in one call:
 *
 *     limn_error error = { 0 };
 *
 *     if (limn_translate_file("facades.safetensors", "drawing.png", "house.png", &error))
 *         fprintf(stderr, "%s\n", error.text);
 *
 * model: a model file, a checkpoint of limn, or the folder of a run (its best model).  output: PNG,
 * JPEG, WebP or TIFF by its ending, same width and height as the input, depth of the input where
 * the format has it; whole or absent, and never the input itself.  Input and result are screened
 * (REFUSED_PICTURE, nothing written) and the result carries marks of origin.  Any thread; no memory
 * is left with the caller. */
limn_status limn_translate_file(const char *model, const char *input, const char *output,
                                limn_error *error);

/* ---- Translating: grade 2, a model held open ------------------------------------------------ */

/* How to translate.  Texts are borrowed for the life of the translator. */
typedef struct limn_translate_settings {
    const char *direction; /* "AtoB", "BtoA"; NULL: the model's own.  Two ways: CycleGAN models */
    const char *network;   /* by its name in the file; NULL: the one that translates */
    int format;            /* row format: auto, png, jpeg, webp, tiff */
    int quality;           /* of JPEG and WebP, 1 to 100 */
    bool lossless;         /* WebP */
    bool keep_gps;         /* places in EXIF and XMP are dropped otherwise */
    bool derive;           /* models trained with --derive: make the input from the picture */
    int sample;            /* so many variants with dropout on; 0: one, as the model's card says */
    int64_t seed;          /* of the variants */
    int compute;           /* row compute: plain, fp32, bf16, auto */
    int threads;           /* that compute; 0: $OMP_NUM_THREADS, or one a core */
    int workers;           /* that decode and encode beside them */
    int memory_mib;        /* a picture that would take more is refused; 0: half of the machine's */
    const char *sign_cert, *sign_key; /* PEM files; NULL: a key made for this process */
} limn_translate_settings;

/* The rows of that struct and its defaults. */
const limn_setting *limn_translate_rows(void);
limn_translate_settings limn_translate_defaults(void);

/* A model that is ready to translate: weights, plans for the sizes used last, the screen, a signer.
 *
 *     limn_translator *t;
 *
 *     if (!limn_translator_open(&t, "facades.safetensors", NULL, &error) &&
 *         !limn_translate_pixels(t, &in, &out, &error)) use(out.data);
 *     limn_pixels_free(&out);
 *     limn_translator_close(&t); */
typedef struct limn_translator limn_translator;

/* settings may be NULL.  On failure *out is NULL and nothing needs closing: IO, FORMAT (no model,
 * or one of another project: `limn import`), SETTING (a direction or network that the model does
 * not have), NO_MEMORY. */
limn_status limn_translator_open(limn_translator **out, const char *model,
                                 const limn_translate_settings *settings, limn_error *error);
void limn_translator_close(limn_translator **translator);

typedef struct limn_translator_facts {
    const char *model;   /* path of the file */
    const char *network; /* "G", "G_A" */
    const char *compute; /* "fp32" */
    int input_channels, output_channels;
    int multiple;           /* heights and widths are padded to one of these and cut back */
    const char *statistics; /* what is computed: "running statistics, dropout off" */
} limn_translator_facts;
/* Lent until the translator is closed. */
limn_translator_facts limn_translator_about(const limn_translator *translator);

/* Rows from top to bottom without gaps, pixels interleaved, 8 or 16 bit (in the machine's order).
 * channels: 1 grey, 2 grey and alpha, 3 sRGB, 4 sRGB and alpha, or what the network takes. */
typedef struct limn_pixels {
    int width, height, channels;
    int bits; /* 8 or 16 */
    void *data;
} limn_pixels;

/* Pixels to pixels of the same size and depth; alpha is carried over.  in is borrowed; *out is
 * filled, the caller frees it with limn_pixels_free; on failure it is {0}.  Input and result are
 * screened (REFUSED_PICTURE).  Bare pixels have no place for marks of origin: whoever shows them or
 * saves them has to say where they come from (limn_translate_encoded does it). */
limn_status limn_translate_pixels(limn_translator *translator, const limn_pixels *in,
                                  limn_pixels *out, limn_error *error);
void limn_pixels_free(limn_pixels *pixels);

/* Pixels to a finished file in memory, marked: PNG, or what row format says.  *bytes is freed with
 * limn_bytes_free; NULL on failure. */
limn_status limn_translate_encoded(limn_translator *translator, const limn_pixels *in, void **bytes,
                                   size_t *count, limn_error *error);
void limn_bytes_free(void **bytes);

/* What became of one picture.  Lent for the call. */
typedef struct limn_translate_event {
    const char *input, *output;
    limn_status status;   /* OK, REFUSED_PICTURE, or what went wrong */
    const char *sentence; /* why; with OK what was left out (frames behind the first), or NULL */
    size_t done, total;   /* pictures, this one counted */
} limn_translate_event;

/* Called by the caller's own thread after every picture, in the order of the list; false stops. */
typedef bool (*limn_translate_progress)(void *context, const limn_translate_event *event);

typedef struct limn_translate_counts {
    size_t total, written, refused, failed; /* pictures */
} limn_translate_counts;

/* Translates files and folders (with everything below them, names and structure kept).  output is a
 * file for one input file, else a folder, which is made.  "-" is standard input or output.
 * Several pictures are in flight at a time.  A picture that is broken or refused does not stop the
 * others; in the end the status is OK, REFUSED_PICTURE when pictures were refused and nothing else
 * went wrong, the status of the first failure otherwise, or STOPPED; the error says how many.
 * Before anything is computed: IO (no such input, no picture in it), SETTING (two inputs for one
 * output, an output that is an input, a format that cannot carry marks).  progress and counts may
 * be NULL. */
limn_status limn_translate(limn_translator *translator, const char *const *inputs, size_t count,
                           const char *output, limn_translate_progress progress, void *context,
                           limn_translate_counts *counts, limn_error *error);

/* ---- Scoring a model ------------------------------------------------------------------------ */

/* Rows of `limn score`. */
typedef struct limn_score_settings {
    int phase;             /* row phase: train, val, test */
    const char *direction; /* AtoB, BtoA; NULL: the model's own */
    int preprocess;        /* as for training: the middle is cut, nothing flipped */
    int load_size, crop_size;
    int64_t max_size;  /* the first so many; 0: all */
    bool derive;       /* models trained with --derive: plain pictures, inputs made from them */
    const char *html;  /* folder for index.html and pictures; NULL: none */
    const char *worst; /* file for a sheet of the ten worst; NULL: none */
    int compute, threads, workers;
} limn_score_settings;
const limn_setting *limn_score_rows(void);
limn_score_settings limn_score_defaults(void);

/* Against the picture it should be, on the scale of -1 to 1 (R = 2).  NaN: the picture is too small
 * for that score. */
typedef struct limn_picture_score {
    const char *name;
    double l1, psnr, ssim, ms_ssim, edges;
    int scales; /* of ms_ssim; 5 where it is comparable */
} limn_picture_score;

typedef struct limn_score_report limn_score_report;

/* Translates the inputs of a folder and compares with the targets: pairs, or plain pictures where
 * the model makes the input from the target (colorization, --derive).  Close the report with
 * limn_score_close; on failure *report is NULL.  refused: pictures left out of page and sheet
 * because the screen refused them (they are scored).  progress may be NULL. */
limn_status limn_score_folder(limn_score_report **report, const char *model, const char *folder,
                              const limn_score_settings *settings, limn_translate_progress progress,
                              void *context, limn_error *error);
/* A model of two sets without pairs: how far its outputs are from pictures of the other side, by
 * the kernel distance (docs/health.md), with a 95 % interval; the distance that inputs themselves
 * have; whether there are enough pictures for the number to mean anything; of models that go both
 * ways what is left of a picture there and back again, and of such that are trained for it what is
 * left of a picture that is of the other side already, as L1 (NaN: not). */
typedef struct limn_set_score {
    double distance, low, high, untranslated;
    bool means_something;
    size_t outputs, pictures; /* that were compared; 0: the model was trained with pairs */
    double cycle, identity;
    bool are_pairs;       /* both sides have the same names: limn_score_folder has more to say */
    const char *features; /* the network that they were compared by */
} limn_set_score;

/* Translates the inputs of a folder with two sides and compares the sets; nothing is written.  For
 * models that were trained with pairs, and files that are pairs in themselves (A|B), *out says that
 * nothing was compared, and that is no error. */
limn_status limn_score_sets(limn_set_score *out, const char *model, const char *folder,
                            const limn_score_settings *settings, limn_translate_progress progress,
                            void *context, limn_error *error);

/* In the order of the folder; lent until the report is closed. */
const limn_picture_score *limn_score_pictures_of(const limn_score_report *report, size_t *count);
limn_picture_score limn_score_mean_of(const limn_score_report *report);
size_t limn_score_refused_of(const limn_score_report *report);
void limn_score_close(limn_score_report **report);

/* ---- Marks of origin ------------------------------------------------------------------------ */

/* What anybody's picture says about where it comes from, and whether it has been changed since:
 *
 *     limn_verification *v;
 *
 *     if (!limn_verify_file(&v, "house.png", NULL, &error)) puts(v->sentence);
 *     limn_verification_close(&v); */
typedef enum limn_verdict {
    LIMN_VERDICT_INTACT, /* a C2PA manifest, and the file is as it was when that was signed */
    LIMN_VERDICT_BROKEN, /* a C2PA manifest, or what is left of one, that does not hold */
    LIMN_VERDICT_NONE,   /* no C2PA manifest */
} limn_verdict;

/* Whether one thing holds. */
typedef enum limn_seal {
    LIMN_SEAL_ABSENT, /* there is none, or it could not be reached */
    LIMN_SEAL_GOOD,
    LIMN_SEAL_BAD,
} limn_seal;

/* Whether the signer is known; by itself no part of the verdict. */
typedef enum limn_trust {
    LIMN_TRUST_UNASKED, /* no anchors were given, or there is no valid signature */
    LIMN_TRUST_KNOWN,   /* the certificate leads to one of the anchors */
    LIMN_TRUST_UNKNOWN, /* it does not */
} limn_trust;

/* Texts are NULL where the file does not say it.  They are UTF-8 without control characters and cut
 * to a few hundred bytes: they come from a stranger's file and are meant to be shown. */
typedef struct limn_verification {
    limn_verdict verdict;
    const char *sentence;     /* the verdict in one sentence */
    const char *const *lines; /* everything that was found, a sentence each */
    size_t line_count;

    const char *format;   /* "PNG", "JPEG", "WebP", "TIFF" */
    limn_seal binding;    /* the hash of the file outside of the manifest */
    limn_seal assertions; /* the hashes of everything that the claim refers to */
    limn_seal signature;  /* over the claim */
    limn_trust trust;
    bool self_made;   /* the certificate says that limn made it for one process */
    size_t manifests; /* in the store; the last one is examined */

    const char *manifest;  /* label of the examined one */
    const char *generator; /* software that made the claim */
    const char *title;
    const char *action;          /* the first action, "c2pa.created" */
    const char *source_type;     /* its digital source type, a URI */
    const char *algorithm;       /* of the signature, "ES256" */
    const char *signer, *issuer; /* names in the certificate */

    const char *xmp_source_type, *xmp_tool, *xmp_model; /* unsigned unless the manifest is intact */
} limn_verification;

/* Examines a file, or bytes that are only borrowed for the call (name stands for the path in
 * messages).  anchors_path is a PEM file of certificates to trust, or NULL.
 *
 * A picture without marks and a picture with broken ones are answers and not failures.  Failures:
 * LIMN_IO (can't be read), LIMN_FORMAT (no PNG, JPEG, WebP or TIFF, or one that is damaged and
 * shows no manifest), LIMN_SETTING (anchors), LIMN_NO_MEMORY; then *out is NULL.  Any thread may
 * call. */
limn_status limn_verify_file(limn_verification **out, const char *path, const char *anchors_path,
                             limn_error *error);
limn_status limn_verify_bytes(limn_verification **out, const void *bytes, size_t count,
                              const char *name, const char *anchors_path, limn_error *error);
/* Frees it with all its texts and sets it NULL. */
void limn_verification_close(limn_verification **verification);

/* "intact", "broken", "none". */
const char *limn_verdict_text(limn_verdict verdict);

/* ---- Measuring ------------------------------------------------------------------------------- */

/* What `limn bench` and `limn plan` are about: a whole training step, or one inference. */
typedef struct limn_bench_settings {
    const char *what;  /* "pix2pix", "cycle_gan", "cut" (steps) or "infer" */
    const char *net;   /* generator; NULL: the recipe's own */
    const char *model; /* infer: with this file's network and weights; NULL: drawn ones */
    int norm;          /* row norm: usual for the network, batch, instance, none */
    bool int8;         /* infer: all layers but first and last in int8, with made-up ranges */
    int size, width;   /* of the pictures in pixels; width 0: the same as size */
    int batch, ngf, ndf, threads, rounds;
    int compute; /* row compute: plain, fp32, bf16, auto */
    bool tune;   /* measure the ways to compute each convolution, and remember the best */
    int method;  /* row method: chosen, or one way wherever it fits */
    bool layers; /* a row of the profile for each layer */
} limn_bench_settings;

/* The rows of that struct (all but what) and its defaults. */
const limn_setting *limn_bench_rows(void);
limn_bench_settings limn_bench_defaults(void);

typedef struct limn_bench_result {
    const char *compute; /* that ran: "fp32" */
    double median_ms, min_ms, max_ms;
    double gflops;                    /* convolution work over the median time, 1e9 a second */
    double peak_gflops, peak_percent; /* what the processor's multiply-adds reach here, measured */
    double rss_mib;                   /* highest resident memory of the process so far */
    double plan_ms;                   /* time that planning took, tuning included */
    int measured;                     /* choices that tuning has measured */
} limn_bench_result;

/* Runs two warm-up rounds and then `rounds` timed ones on random pictures.  profile (may be NULL)
 * receives a table: per operation (or layer) milliseconds, share, GFLOP/s, per cent of the peak,
 * bytes, implementation; then what convolutions take together, and all else.  SETTING where a
 * setting does not fit, SHAPE where the network cannot take the size. */
limn_status limn_bench(const limn_bench_settings *settings, limn_bench_result *result,
                       FILE *profile, limn_error *error);

/* Prints the plan of the same: step, op, name, shape, layout, implementation, way of computing
 * (with a star where it was measured), bytes, lifetime. */
limn_status limn_show_plan(const limn_bench_settings *settings, FILE *to, limn_error *error);

/* ---- Models from and to elsewhere ------------------------------------------------------------ */

/* What a person says where a checkpoint of another project does not; {0} says nothing. */
typedef struct limn_import_settings {
    const char *part;      /* which network, where a file holds several; NULL */
    const char *net;       /* --netG: must be what the file holds; NULL */
    int norm;              /* row norm: auto, batch, instance, none */
    int dropout;           /* row dropout: auto, yes, no */
    bool eval;             /* batch norm runs with the running statistics, not the picture's own */
    const char *direction; /* AtoB, BtoA; NULL: not known */
    const char *title, *licence, *attribution; /* for the model's card; NULL */
} limn_import_settings;

/* The rows of that struct. */
const limn_setting *limn_import_rows(void);

/* Makes a model file of a checkpoint: .pth of any age (never executing anything) or safetensors, of
 * pytorch-CycleGAN-and-pix2pix or CUT.  SETTING where the file leaves two possibilities (the
 * sentence names the setting), FORMAT where it holds no network that limn has.  `to` is whole or
 * absent. */
limn_status limn_import(const char *from, const char *to, const limn_import_settings *settings,
                        limn_error *error);

/* Rows of `limn quantize`. */
typedef struct limn_quantize_settings {
    const char *network;   /* by its name in the file; NULL: the one that translates */
    const char *direction; /* AtoB, BtoA: which side of a data folder; NULL: the model's own */
    int pictures;          /* so many of the folder; a fourth of them is held out */
    double psnr; /* decibels between the pictures of the float model and those of the int8 one */
    int threads;
} limn_quantize_settings;
const limn_setting *limn_quantize_rows(void);
limn_quantize_settings limn_quantize_defaults(void);

typedef struct limn_quantize_result {
    int layers, int8_layers; /* convolutions of the network; those that are int8 */
    int pictures, held_out;
    double psnr;           /* on the calibration's pictures, all together */
    double held_out_psnr;  /* on those held out */
    double held_out_worst; /* on the worst of those */
    double megabytes_before, megabytes_after;
} limn_quantize_result;

/* Makes an int8 model: weights of one byte, features rounded to bytes by ranges that the folder's
 * pictures show (a data folder, or plain pictures of what goes in).  It is used like any other;
 * processors without VNNI compute the same numbers as float32.  First and last layer stay float,
 * and so do those that cost most until psnr is reached on the calibration's pictures.  table (may
 * be NULL) receives a line a layer.  `to` is whole or absent. */
limn_status limn_quantize(const char *model, const char *folder, const char *to,
                          const limn_quantize_settings *settings, limn_quantize_result *result,
                          FILE *table, limn_error *error);

/* Writes the network that translates (or the named one; NULL) as ONNX, opset 17.  model: a file, or
 * the folder of a run, of which the best or else the latest is taken.  Input "input", output
 * "output", NCHW in [-1, 1], any batch, height and width (multiples of what the network needs),
 * computing what translating computes.  The card goes along as metadata. */
limn_status limn_export(const char *model, const char *to, const char *network, limn_error *error);

/* What a model's card says to people; each NULL: as before. */
typedef struct limn_model_words {
    const char *title, *licence, *attribution;
} limn_model_words;

/* Writes the network that translates (or the named one; NULL) as a model file again with half the
 * bytes: kernels as 16-bit floats.  words may be NULL.  SETTING for a checkpoint.  `to` is whole or
 * absent. */
limn_status limn_export_half(const char *model, const char *to, const char *network,
                             const limn_model_words *words, limn_error *error);

/* What the network makes of numbers drawn between -1 and 1, NCHW, in float32: for comparing another
 * runtime with.  Sizes are batch, channels, height, width. */
typedef struct limn_trial {
    int input_size[4], output_size[4];
    float *input, *output;
} limn_trial;

/* Runs the network that translates (or the named one; NULL) on a batch; a batch of 1 is twice as
 * wide as high.  The caller frees with limn_trial_free; on failure *trial is {0}. */
limn_status limn_trial_run(limn_trial *trial, const char *model, const char *network, int batch,
                           limn_error *error);
void limn_trial_free(limn_trial *trial);

/* Prints what a file is, what it expects and where it came from: a model or checkpoint of limn, a
 * checkpoint of another project.  json: one object.  An unreadable file is an error; a readable one
 * that limn cannot run is not, the reason is printed. */
limn_status limn_info(const char *path, bool json, FILE *to, limn_error *error);

/* ---- Checking a data folder ------------------------------------------------------------------ */

/* Name, word in JSON, what it is about. */
#define LIMN_FINDINGS(X)                                                                           \
    X(FOLDERS, "folders", "which folders are read, and how")                                       \
    X(UNPAIRED, "unpaired", "a picture without a partner of the same name")                        \
    X(SIZE, "size", "sizes that do not go together")                                               \
    X(BROKEN, "broken", "a file that cannot be read")                                              \
    X(SAME, "same", "the same pixels in two files")                                                \
    X(ALIKE, "alike", "nearly the same picture in train and in val or test")                       \
    X(FLAT, "flat", "a picture of one colour, which instance norm cannot scale")                   \
    X(FEW, "few", "too few pictures")                                                              \
    X(CHANNELS, "channels", "channel counts or depths that are mixed or unusual")

typedef enum limn_finding_kind {
#define X(name, word, text) LIMN_FINDING_##name,
    LIMN_FINDINGS(X)
#undef X
        LIMN_FINDING_COUNT
} limn_finding_kind;

/* An error stops a training or spoils its result; a warning may; a note is good to know. */
typedef enum limn_severity {
    LIMN_SEVERITY_NOTE,
    LIMN_SEVERITY_WARNING,
    LIMN_SEVERITY_ERROR,
    LIMN_SEVERITY_COUNT
} limn_severity;

/* The words of both: "flat", "warning". */
const char *limn_finding_word(limn_finding_kind kind);
const char *limn_severity_word(limn_severity severity);

typedef struct limn_finding {
    limn_finding_kind kind;
    limn_severity severity;
    const char *sentence;
    const char *const *files; /* all of them, as paths */
    size_t file_count;
} limn_finding;

/* Rows of `limn check`. */
typedef struct limn_check_settings {
    int pairing; /* auto, paired, unpaired, plain */
    int few;     /* fewer training pictures than this are too few */
    int alike;   /* bits of 64 in which near duplicates may differ; -1: not looked for */
    int threads; /* that decode; 0: one a core */
} limn_check_settings;
const limn_setting *limn_check_rows(void);
limn_check_settings limn_check_defaults(void);

typedef struct limn_check_summary {
    const char *pairing;                   /* how the folder was read: "paired" ... */
    const char *layout;                    /* "train", "trainA + trainB" ... */
    size_t train, val, test;               /* pairs, plain pictures, or the longer side */
    size_t files, notes, warnings, errors; /* files looked at; findings by severity */
} limn_check_summary;

/* Called between files by the caller's own thread, a few times a second; false stops the check. */
typedef bool (*limn_check_progress)(void *context, size_t done, size_t total);

/* Reads every picture of train, val and test and lists what is wrong.  Close the report with
 * limn_check_close.  That something was found is no failure; failures (*report is NULL then) are a
 * folder that is not there, LIMN_NO_MEMORY, and LIMN_STOPPED when progress said so. */
typedef struct limn_check_report limn_check_report;
limn_status limn_check_folder(limn_check_report **report, const char *folder,
                              const limn_check_settings *settings, limn_check_progress progress,
                              void *context, limn_error *error);
/* Errors first.  Lent until the report is closed. */
const limn_finding *limn_check_findings(const limn_check_report *report, size_t *count);
limn_check_summary limn_check_summarize(const limn_check_report *report);
void limn_check_close(limn_check_report **report);

/* ---- Training -------------------------------------------------------------------------------- */

/* A run: settings, then everything that trains.  Five lines train a model:
 *
 *     limn_train_begin(&training, "pix2pix", NULL, &error);
 *     limn_train_set(training, "dataroot", "data/facades", &error);
 *     limn_train_set(training, "out", "runs/facades", &error);
 *     limn_train_run(training, &watch, &error);
 *     limn_train_end(&training);
 *
 * The folder of the run then holds latest.safetensors and best.safetensors (models that describe
 * themselves), checkpoint.safetensors (to go on from), history.sqlite (settings, losses, scores,
 * samples, events, alarms), sheets/ and index.html. */
typedef struct limn_training limn_training;

/* One step, when it is done.  Everything is lent for the call. */
typedef struct limn_train_step {
    uint64_t step;           /* steps done, this one too */
    int epoch, epochs;       /* from 1 */
    uint64_t batch, batches; /* of the epoch; from 1 */
    double learning_rate;
    double ms, wait_ms; /* computing; waiting for pictures */
    double seconds_left;
    int losses;
    const char *const *loss_names;
    const double *loss_values;
} limn_train_step;

/* One epoch, when it is done, scored and saved.  Scores are means over the validation pictures,
 * NaN where there is nothing to compare with. */
typedef struct limn_train_epoch {
    uint64_t step;
    int epoch, epochs;
    double seconds, learning_rate;
    double wait_share; /* of the time, spent waiting for pictures */
    int losses;
    const char *const *loss_names;
    const double *loss_values; /* means over the epoch */
    double l1, psnr, ssim, edges;
    double train_l1; /* of training pictures, made in the same way */
    /* Without pairs, NaN otherwise: the kernel distance between what is made of validation pictures
     * and pictures of B, its 95 % interval, and whether there were enough pictures for it to mean
     * anything; what is left of A after A to B to A, and of B after "B to B", as L1. */
    double distance, distance_low, distance_high, cycle, identity;
    bool distance_means_something;
    bool best;         /* this epoch's model is the best so far */
    const char *sheet; /* path of the sheet of samples, or NULL */
} limn_train_epoch;

/* One of the known ways to fail has begun, got worse or is over (docs/health.md). */
typedef struct limn_train_alarm {
    uint64_t step;
    int epoch;
    const char *kind, *subject; /* "collapse"; "G_A", or "" */
    const char *change;         /* "raised", "worse", "cleared" */
    double value, threshold;    /* NaN where there is none */
    const char *sentence;       /* with the number and what to try */
} limn_train_alarm;

/* Whoever watches.  Each may be NULL; all are called by the thread that runs. */
typedef struct limn_train_watch {
    void *context;
    void (*step)(void *context, const limn_train_step *step);
    void (*epoch)(void *context, const limn_train_epoch *epoch);
    /* What happened, in a word ("resumed", "overfitting", "halved" ...) and in a sentence. */
    void (*event)(void *context, const char *kind, const char *sentence);
    void (*alarm)(void *context, const limn_train_alarm *alarm);
} limn_train_watch;

/* The settings of a training as rows. */
const limn_setting *limn_train_rows(void);

/* Begins a training by that recipe (NULL: pix2pix) with the recipe's defaults; or, with a folder in
 * resume, one that goes on from that folder's checkpoint, with the settings it was started with.
 * On failure *out is NULL. */
limn_status limn_train_begin(limn_training **out, const char *model, const char *resume,
                             limn_error *error);
/* Sets one setting by its name, until the training runs; the value is copied.  SETTING where there
 * is no such setting or it does not take that value; the training is as it was. */
limn_status limn_train_set(limn_training *training, const char *name, const char *value,
                           limn_error *error);
/* The same as a struct that the rows describe, for who reads settings by rows.  Texts that are set
 * in it are borrowed until limn_train_end. */
void *limn_train_fields(limn_training *training);
/* Trains until the last epoch is done (LIMN_OK), the time is up (LIMN_OK), limn_train_stop was
 * called (LIMN_STOPPED) or something fails.  Except for faults of the disk the run can always be
 * resumed from its last checkpoint.  May be called once. */
limn_status limn_train_run(limn_training *training, const limn_train_watch *watch,
                           limn_error *error);
/* The folder of the run and, after it ran, the share of the time spent waiting for pictures. */
const char *limn_train_folder(const limn_training *training);
double limn_train_wait_share(const limn_training *training);
/* Asks the training to stop after the step that is running, and to save.  From any thread and from
 * signal handlers. */
void limn_train_stop(limn_training *training);
void limn_train_end(limn_training **training);

#ifdef __cplusplus
}
#endif
#endif
