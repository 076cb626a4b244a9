/* SPDX-License-Identifier: Apache-2.0
 *
 * limn export --check: the exported file in onnxruntime, against limn on the same random numbers.
 *
 * The runtime runs in a process of its own, which is started here and not in the library: a library
 * that starts programs would surprise whoever links it.  Names of files are arguments of that
 * process and never part of a command that a shell reads.  The few lines that it runs are in this
 * file, so that nothing has to be found at run time.
 *
 * Two ways to have onnxruntime: its Node package in a folder (tools/setup_onnxruntime.sh puts it
 * there), or Python's.  Linking onnxruntime was dropped: hundreds of MiB that nobody else needs. */
#include "runtime.h"
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Differences up to this, times 1 + the value's size, are those of other orders of sums. */
static const double tolerance = 1e-4;

static const char node_script[] =
    "const [folder, model, input, output, ...shape] = process.argv.slice(1);"
    "const fs = require('fs');"
    "const ort = require('module').createRequire(require('path').resolve(folder, 'here.js'))"
    "('onnxruntime-node');"
    "const bytes = fs.readFileSync(input);"
    "const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);"
    "ort.InferenceSession.create(model, { executionProviders: ['cpu'], logSeverityLevel: 3 })"
    ".then(s => s.run({ input: new ort.Tensor('float32', values, shape.map(Number)) }))"
    ".then(r => { const d = r.output.data;"
    " fs.writeFileSync(output, Buffer.from(d.buffer, d.byteOffset, d.byteLength)); })"
    ".catch(e => { console.error(e.message); process.exit(1); });";

static const char python_script[] =
    "import sys, numpy, onnxruntime\n"
    "model, given, output = sys.argv[1:4]\n"
    "x = numpy.fromfile(given, numpy.float32).reshape([int(a) for a in sys.argv[4:]])\n"
    "s = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])\n"
    "s.run(['output'], {'input': x})[0].astype(numpy.float32).tofile(output)\n";

enum { PATH_ROOM = 4096 };

typedef struct runtime {
    const char *name;
    char folder[PATH_ROOM]; /* of the Node package; "" for Python */
} runtime;

/* Runs a program that the search path knows; its exit code, or -1 when there is none.  It sees
 * nothing on standard input, and standard output is ours alone. */
static int run_program(const char *const *words, bool silent)
{
    posix_spawn_file_actions_t actions;
    int how = 0, fault;
    pid_t child;

    if (posix_spawn_file_actions_init(&actions)) return -1;
    fault = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (!fault) fault = posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    if (!fault && silent)
        fault = posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    if (!fault)
        fault = posix_spawnp(&child, words[0], &actions, NULL, (char *const *)words, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (fault) return -1;
    while (waitpid(child, &how, 0) < 0)
        if (errno != EINTR) return -1;
    return WIFEXITED(how) ? WEXITSTATUS(how) : 128;
}

/* $LIMN_ONNXRUNTIME, or limn/onnxruntime in the folder for caches. */
static bool package_folder(char *path)
{
    static const char *const places[][2] = { { "LIMN_ONNXRUNTIME", "" },
                                             { "XDG_CACHE_HOME", "/limn/onnxruntime" },
                                             { "HOME", "/.cache/limn/onnxruntime" } };

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *value = getenv(places[i][0]);
        int n = value && *value ? snprintf(path, PATH_ROOM, "%s%s", value, places[i][1]) : 0;

        if (n > 0) return n < PATH_ROOM;
    }
    return false;
}

static bool find_runtime(runtime *r)
{
    static const char *const node[] = { "node", "--version", NULL };
    static const char *const python[] = { "python3", "-c", "import onnxruntime", NULL };
    char package[PATH_ROOM + 64];

    *r = (runtime){ .name = "onnxruntime-node" };
    if (package_folder(r->folder)) {
        snprintf(package, sizeof package, "%s/node_modules/onnxruntime-node/package.json",
                 r->folder);
        if (!access(package, R_OK) && run_program(node, true) == 0) return true;
    }
    *r = (runtime){ .name = "Python's onnxruntime" };
    return run_program(python, true) == 0;
}

/* A name that begins with a dash would be taken for a setting. */
static const char *as_path(const char *name, char *room)
{
    if (*name != '-') return name;
    snprintf(room, PATH_ROOM, "./%s", name);
    return room;
}

static limn_status write_floats(const char *path, const float *values, size_t count,
                                limn_error *error)
{
    FILE *file = fopen(path, "wb");
    bool well = file && fwrite(values, sizeof *values, count, file) == count;

    if (file && fclose(file)) well = false;
    return well ? LIMN_OK : limn_cli_fail(error, LIMN_IO, "could not write %s", path);
}

/* The file's numbers against limn's, a piece at a time. */
static limn_status compare(const char *path, const limn_trial *trial, const runtime *r,
                           double *largest, limn_error *error)
{
    size_t count = 1, done = 0, n;
    FILE *file = fopen(path, "rb");
    bool differs = false;
    float piece[1024];

    for (int i = 0; i < 4; i++) count *= (size_t)trial->output_size[i];
    while (file && (n = fread(piece, sizeof *piece, 1024, file)) > 0)
        for (size_t i = 0; i < n; i++, done++) {
            double want = done < count ? (double)trial->output[done] : 0;
            double off = fabs((double)piece[i] - want);

            if (off > *largest) *largest = off;
            if (!(off <= tolerance * (1 + fabs(want)))) differs = true;
        }
    if (file) fclose(file);
    if (done != count)
        return limn_cli_fail(error, LIMN_COMPUTE, "--check: %s gave %zu numbers and limn %zu",
                             r->name, done, count);
    if (differs)
        return limn_cli_fail(error, LIMN_COMPUTE,
                             "--check: %s and limn differ by up to %.2g, which is more than "
                             "rounding; please report it with the model",
                             r->name, *largest);
    return LIMN_OK;
}

static limn_status run_export(const runtime *r, const char *exported, const limn_trial *trial,
                              const char *input, const char *output, limn_error *error)
{
    char path[PATH_ROOM], sizes[4][16];
    const char *model = as_path(exported, path);
    const char *node[] = { "node", "-e",     node_script, "--",     r->folder, model, input,
                           output, sizes[0], sizes[1],    sizes[2], sizes[3],  NULL };
    const char *python[] = { "python3", "-c",     python_script, model,    input, output,
                             sizes[0],  sizes[1], sizes[2],      sizes[3], NULL };
    int code;

    for (int i = 0; i < 4; i++) snprintf(sizes[i], sizeof *sizes, "%d", trial->input_size[i]);
    code = run_program(*r->folder ? node : python, false);
    if (!code) return LIMN_OK;
    return limn_cli_fail(error, LIMN_COMPUTE, "--check: %s could not run %s (exit code %d)",
                         r->name, exported, code);
}

static limn_status try_one(const runtime *r, const char *model, const char *network,
                           const char *exported, const char *folder, int batch, double *largest,
                           limn_error *error)
{
    char input[PATH_ROOM], output[PATH_ROOM];
    limn_trial trial;
    limn_status status = limn_trial_run(&trial, model, network, batch, error);
    size_t count = 1;

    if (status) return status;
    snprintf(input, sizeof input, "%s/input", folder);
    snprintf(output, sizeof output, "%s/output", folder);
    for (int i = 0; i < 4; i++) count *= (size_t)trial.input_size[i];
    status = write_floats(input, trial.input, count, error);
    if (!status) status = run_export(r, exported, &trial, input, output, error);
    if (!status) status = compare(output, &trial, r, largest, error);
    if (!status)
        printf("%s agrees with limn: batch %d, %dx%d, largest difference %.2g\n", r->name, batch,
               trial.input_size[2], trial.input_size[3], *largest);
    unlink(input);
    unlink(output);
    limn_trial_free(&trial);
    return status;
}

limn_status limn_cli_compare_export(const char *model, const char *network, const char *exported,
                                    limn_error *error)
{
    const char *place = getenv("TMPDIR");
    char folder[PATH_ROOM - 16];
    limn_status status = LIMN_OK;
    runtime r;

    if (!find_runtime(&r))
        return limn_cli_fail(error, LIMN_COMPUTE,
                             "%s is written but was not checked: no runtime was found; install "
                             "onnxruntime-node with tools/setup_onnxruntime.sh (needs npm) or "
                             "Python's with pip install onnxruntime",
                             exported);
    snprintf(folder, sizeof folder, "%s/limn-check-XXXXXX", place && *place ? place : "/tmp");
    if (!mkdtemp(folder))
        return limn_cli_fail(error, LIMN_IO, "--check: could not make the folder %s: %s", folder,
                             strerror(errno));
    for (int batch = 1; batch <= 2 && !status; batch++) {
        double largest = 0;

        status = try_one(&r, model, network, exported, folder, batch, &largest, error);
    }
    rmdir(folder);
    return status;
}
