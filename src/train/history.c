/* SPDX-License-Identifier: Apache-2.0
 *
 * The history of a run: see history.h.  The one file that knows SQLite.
 *
 * A transaction is opened by the first write and committed after PENDING_MAX of them or after
 * PENDING_SECONDS, whichever comes first.  An error in between leaves the transaction open; the
 * training stops on it anyway. */
#include "train/history.h"

#include <math.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

enum { PENDING_MAX = 64, BUSY_MS = 10000 };
static const double pending_seconds = 2;

static const char tables[] =
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = NORMAL;"
    "CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT);"
    "CREATE TABLE IF NOT EXISTS run (key TEXT PRIMARY KEY, value TEXT);"
    "CREATE TABLE IF NOT EXISTS steps (step INTEGER PRIMARY KEY, epoch INTEGER, lr REAL, ms REAL,"
    " wait_ms REAL);"
    "CREATE TABLE IF NOT EXISTS losses (step INTEGER, name TEXT, value REAL,"
    " PRIMARY KEY (step, name)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS epochs (epoch INTEGER PRIMARY KEY, step INTEGER, seconds REAL,"
    " lr REAL, wait_share REAL, best INTEGER);"
    "CREATE TABLE IF NOT EXISTS scores (epoch INTEGER, part TEXT, name TEXT, value REAL,"
    " PRIMARY KEY (epoch, part, name)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS looks (epoch INTEGER, generator TEXT, name TEXT, value REAL,"
    " PRIMARY KEY (epoch, generator, name)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS samples (epoch INTEGER PRIMARY KEY, path TEXT);"
    "CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY, step INTEGER, epoch INTEGER,"
    " time TEXT, kind TEXT, sentence TEXT);"
    "CREATE TABLE IF NOT EXISTS alarms (number INTEGER PRIMARY KEY, step INTEGER, epoch INTEGER,"
    " kind TEXT, subject TEXT, change TEXT, value REAL, threshold REAL, sentence TEXT);"
    "CREATE TABLE IF NOT EXISTS screened (digest TEXT PRIMARY KEY, score REAL, refused INTEGER)"
    " WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS steps_of_epoch ON steps (epoch);";

/* Name, text.  ? are bound in order. */
#define STATEMENTS(X)                                                                              \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                    \
    X(COMMIT, "COMMIT")                                                                            \
    X(SETTING, "INSERT OR REPLACE INTO settings VALUES (?, ?)")                                    \
    X(FACT, "INSERT OR REPLACE INTO run VALUES (?, ?)")                                            \
    X(STEP, "INSERT OR REPLACE INTO steps VALUES (?, ?, ?, ?, ?)")                                 \
    X(LOSS, "INSERT OR REPLACE INTO losses VALUES (?, ?, ?)")                                      \
    X(EPOCH, "INSERT OR REPLACE INTO epochs VALUES (?, ?, ?, ?, ?, ?)")                            \
    X(SCORE, "INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?)")                                  \
    X(LOOK, "INSERT OR REPLACE INTO looks VALUES (?, ?, ?, ?)")                                    \
    X(SAMPLE, "INSERT OR REPLACE INTO samples VALUES (?, ?)")                                      \
    X(EVENT, "INSERT INTO events (step, epoch, time, kind, sentence) VALUES (?, ?, ?, ?, ?)")      \
    X(ALARM, "INSERT INTO alarms (step, epoch, kind, subject, change, value, threshold, sentence)" \
             " VALUES (?, ?, ?, ?, ?, ?, ?, ?)")                                                   \
    X(SCREEN, "INSERT OR REPLACE INTO screened VALUES (?, ?, ?)")                                  \
    X(SCREENED, "SELECT score, refused FROM screened WHERE digest = ?")                            \
    X(MEAN, "SELECT avg(value) FROM losses JOIN steps USING (step) WHERE epoch = ? AND name = ?")  \
    X(TRIM_STEPS, "DELETE FROM steps WHERE step > ?")                                              \
    X(TRIM_LOSSES, "DELETE FROM losses WHERE step > ?")                                            \
    X(TRIM_EPOCHS, "DELETE FROM epochs WHERE epoch > ?")                                           \
    X(TRIM_SCORES, "DELETE FROM scores WHERE epoch > ?")                                           \
    X(TRIM_LOOKS, "DELETE FROM looks WHERE epoch > ?")                                             \
    X(TRIM_SAMPLES, "DELETE FROM samples WHERE epoch > ?")

typedef enum statement {
#define X(name, text) name,
    STATEMENTS(X)
#undef X
        STATEMENT_COUNT
} statement;

static const char *const texts[] = {
#define X(name, text) text,
    STATEMENTS(X)
#undef X
};

struct limn_history {
    limn_arena arena; /* the struct itself lies in it */
    sqlite3 *base;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    const char *path;
    int pending;
    bool open; /* a transaction is */
    double since;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static limn_status fault(const limn_history *h, limn_error *error)
{
    int code = sqlite3_errcode(h->base);
    limn_status status = code == SQLITE_NOMEM                              ? LIMN_NO_MEMORY
                         : code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? LIMN_FORMAT
                                                                           : LIMN_IO;

    return limn_fail(error, status, "%s: the history of the run can't be used: %s", h->path,
                     sqlite3_errmsg(h->base));
}

/* ---- Statements ------------------------------------------------------------------------------ */

/* One letter a value: t text, i uint64_t as long long, d double. */
static limn_status run(limn_history *h, statement which, limn_error *error, const char *kinds, ...)
{
    sqlite3_stmt *s = h->statements[which];
    int code = SQLITE_OK;
    va_list list;

    va_start(list, kinds);
    for (int i = 0; kinds[i] && code == SQLITE_OK; i++) {
        if (kinds[i] == 't')
            code = sqlite3_bind_text(s, i + 1, va_arg(list, const char *), -1, SQLITE_TRANSIENT);
        else if (kinds[i] == 'i')
            code = sqlite3_bind_int64(s, i + 1, va_arg(list, sqlite3_int64));
        else
            code = sqlite3_bind_double(s, i + 1, va_arg(list, double));
    }
    va_end(list);
    if (code == SQLITE_OK) code = sqlite3_step(s);
    if (code != SQLITE_DONE) fault(h, error);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return code == SQLITE_DONE ? LIMN_OK : error ? error->status : LIMN_IO;
}

#define I(value) ((sqlite3_int64)(value))

static limn_status begin(limn_history *h, limn_error *error)
{
    if (h->open) return LIMN_OK;
    LIMN_TRY(run(h, BEGIN, error, ""));
    h->open = true;
    h->pending = 0;
    h->since = now();
    return LIMN_OK;
}

limn_status limn_history_flush(limn_history *h, limn_error *error)
{
    if (!h->open) return LIMN_OK;
    LIMN_TRY(run(h, COMMIT, error, ""));
    h->open = false;
    return LIMN_OK;
}

static limn_status wrote(limn_history *h, limn_error *error)
{
    if (++h->pending < PENDING_MAX && now() - h->since < pending_seconds) return LIMN_OK;
    return limn_history_flush(h, error);
}

/* ---- Opening --------------------------------------------------------------------------------- */

limn_status limn_history_open(limn_history **out, const char *path, limn_error *error)
{
    limn_history *h;
    limn_status status = LIMN_OK;

    LIMN_TRY(limn_open_in_arena(out, sizeof **out, "history", 4096, error));
    h = *out;
    if (!(h->path = limn_take_text(&h->arena, path)))
        status = limn_fail(error, LIMN_NO_MEMORY, "out of memory for the history of the run");
    else if (sqlite3_open_v2(path, &h->base,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX,
                             NULL) != SQLITE_OK ||
             sqlite3_busy_timeout(h->base, BUSY_MS) != SQLITE_OK ||
             sqlite3_exec(h->base, tables, NULL, NULL, NULL) != SQLITE_OK)
        status = fault(h, error);
    for (int i = 0; i < STATEMENT_COUNT && !status; i++)
        if (sqlite3_prepare_v3(h->base, texts[i], -1, SQLITE_PREPARE_PERSISTENT, &h->statements[i],
                               NULL) != SQLITE_OK)
            status = fault(h, error);
    if (status) limn_history_close(out);
    return status;
}

void limn_history_close(limn_history **history)
{
    limn_history *h = *history;

    if (!h) return;
    if (h->open) limn_history_flush(h, NULL);
    for (int i = 0; i < STATEMENT_COUNT; i++) sqlite3_finalize(h->statements[i]);
    sqlite3_close(h->base);
    limn_close_in_arena(history);
}

/* ---- Writing --------------------------------------------------------------------------------- */

limn_status limn_history_trim(limn_history *h, uint64_t step, uint64_t epoch, limn_error *error)
{
    LIMN_TRY(begin(h, error));
    LIMN_TRY(run(h, TRIM_STEPS, error, "i", I(step)));
    LIMN_TRY(run(h, TRIM_LOSSES, error, "i", I(step)));
    LIMN_TRY(run(h, TRIM_EPOCHS, error, "i", I(epoch)));
    LIMN_TRY(run(h, TRIM_SCORES, error, "i", I(epoch)));
    LIMN_TRY(run(h, TRIM_LOOKS, error, "i", I(epoch)));
    LIMN_TRY(run(h, TRIM_SAMPLES, error, "i", I(epoch)));
    return limn_history_flush(h, error);
}

limn_status limn_history_setting(limn_history *h, const char *name, const char *value,
                                 limn_error *error)
{
    LIMN_TRY(begin(h, error));
    LIMN_TRY(run(h, SETTING, error, "tt", name, value));
    return wrote(h, error);
}

limn_status limn_history_fact(limn_history *h, const char *key, const char *value,
                              limn_error *error)
{
    LIMN_TRY(begin(h, error));
    LIMN_TRY(run(h, FACT, error, "tt", key, value));
    return wrote(h, error);
}

limn_status limn_history_step(limn_history *h, uint64_t step, uint64_t epoch, double lr, double ms,
                              double wait_ms, const char *const *names, const double *losses,
                              int count, limn_error *error)
{
    LIMN_TRY(begin(h, error));
    LIMN_TRY(run(h, STEP, error, "iiddd", I(step), I(epoch), lr, ms, wait_ms));
    for (int i = 0; i < count; i++)
        LIMN_TRY(run(h, LOSS, error, "itd", I(step), names[i], losses[i]));
    return wrote(h, error);
}

limn_status limn_history_epoch(limn_history *h, uint64_t epoch, uint64_t step, double seconds,
                               double lr, double wait_share, bool best, limn_error *error)
{
    LIMN_TRY(begin(h, error));
    LIMN_TRY(run(h, EPOCH, error, "iidddi", I(epoch), I(step), seconds, lr, wait_share, I(best)));
    return wrote(h, error);
}

limn_status limn_history_score(limn_history *h, uint64_t epoch, const char *part, const char *name,
                               double value, limn_error *error)
{
    if (isnan(value)) return LIMN_OK;
    LIMN_TRY(begin(h, error));
    LIMN_TRY(run(h, SCORE, error, "ittd", I(epoch), part, name, value));
    return wrote(h, error);
}

limn_status limn_history_look(limn_history *h, uint64_t epoch, const char *generator,
                              const char *name, double value, limn_error *error)
{
    if (isnan(value)) return LIMN_OK;
    LIMN_TRY(begin(h, error));
    LIMN_TRY(run(h, LOOK, error, "ittd", I(epoch), generator, name, value));
    return wrote(h, error);
}

limn_status limn_history_sample(limn_history *h, uint64_t epoch, const char *path,
                                limn_error *error)
{
    LIMN_TRY(begin(h, error));
    LIMN_TRY(run(h, SAMPLE, error, "it", I(epoch), path));
    return wrote(h, error);
}

limn_status limn_history_event(limn_history *h, uint64_t step, uint64_t epoch, const char *kind,
                               const char *sentence, limn_error *error)
{
    time_t seconds = time(NULL);
    struct tm parts;
    char text[32] = "";

    if (gmtime_r(&seconds, &parts)) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
    LIMN_TRY(begin(h, error));
    LIMN_TRY(run(h, EVENT, error, "iittt", I(step), I(epoch), text, kind, sentence));
    return wrote(h, error);
}

limn_status limn_history_alarm(limn_history *h, uint64_t step, uint64_t epoch, const char *kind,
                               const char *subject, const char *change, double value,
                               double threshold, const char *sentence, limn_error *error)
{
    LIMN_TRY(begin(h, error));
    LIMN_TRY(run(h, ALARM, error, "iitttddt", I(step), I(epoch), kind, subject, change, value,
                 threshold, sentence));
    return wrote(h, error);
}

limn_status limn_history_screen(limn_history *h, const char *digest, double score, bool refused,
                                limn_error *error)
{
    LIMN_TRY(begin(h, error));
    LIMN_TRY(run(h, SCREEN, error, "tdi", digest, score, I(refused)));
    return wrote(h, error);
}

/* ---- Reading --------------------------------------------------------------------------------- */

limn_status limn_history_screened(limn_history *h, const char *digest, double *score, bool *refused,
                                  bool *known, limn_error *error)
{
    sqlite3_stmt *s = h->statements[SCREENED];
    int code = sqlite3_bind_text(s, 1, digest, -1, SQLITE_TRANSIENT);
    limn_status status = LIMN_OK;

    if (code == SQLITE_OK) code = sqlite3_step(s);
    *known = code == SQLITE_ROW;
    if (*known) {
        *score = sqlite3_column_double(s, 0);
        *refused = sqlite3_column_int(s, 1);
    } else if (code != SQLITE_DONE) {
        status = fault(h, error);
    }
    sqlite3_reset(s);
    return status;
}

limn_status limn_history_mean(limn_history *h, uint64_t epoch, const char *loss, double *mean,
                              limn_error *error)
{
    sqlite3_stmt *s = h->statements[MEAN];
    limn_status status = LIMN_OK;

    *mean = NAN;
    if (sqlite3_bind_int64(s, 1, I(epoch)) != SQLITE_OK ||
        sqlite3_bind_text(s, 2, loss, -1, SQLITE_TRANSIENT) != SQLITE_OK ||
        sqlite3_step(s) != SQLITE_ROW)
        status = fault(h, error);
    else if (sqlite3_column_type(s, 0) != SQLITE_NULL)
        *mean = sqlite3_column_double(s, 0);
    sqlite3_reset(s);
    return status;
}

limn_status limn_history_query(limn_history *h, const char *query, limn_history_row row,
                               void *context, limn_error *error)
{
    enum { COLUMNS_MAX = 16 };
    sqlite3_stmt *s = NULL;
    limn_status status = LIMN_OK;
    int code = SQLITE_DONE;

    if (sqlite3_prepare_v2(h->base, query, -1, &s, NULL) != SQLITE_OK) status = fault(h, error);
    while (!status && (code = sqlite3_step(s)) == SQLITE_ROW) {
        const char *columns[COLUMNS_MAX];
        int count = sqlite3_column_count(s);

        if (count > COLUMNS_MAX) count = COLUMNS_MAX;
        for (int i = 0; i < count; i++) columns[i] = (const char *)sqlite3_column_text(s, i);
        status = row(context, columns, count, error);
    }
    if (!status && code != SQLITE_DONE) status = fault(h, error);
    sqlite3_finalize(s);
    return status;
}
