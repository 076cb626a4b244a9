/* SPDX-License-Identifier: Apache-2.0
 *
 * Who prepares what, and in which slot it waits.
 *
 * There is a ring of batches.  Workers take pictures one by one in the order of the run, under the
 * lock, and fill them without it; the consumer takes batches from the ring in the same order.
 * Which worker prepares which picture is chance, what the picture holds is not.
 *
 * An error is kept in the batch in which it happened (of several, the one of the earliest picture),
 * and no further batches are begun; those before it are complete by then, so the consumer meets the
 * error at the same place whatever the timing.
 *
 * A file that can't be read is replaced, where that is asked for, by the picture behind it in the
 * list: batches keep their size and epochs their length, and no state has to be saved.
 *
 * Tried and dropped: one queue of finished batches from each worker (batches come out of order, and
 * a small last batch idles all but one). */
#include "base/threads.h"
#include "data/loader_inside.h"

#include <string.h>
#include <time.h>

enum { WORKERS_MAX = 64, BATCH_MAX = 65536, LEAST = 3 };

typedef struct slot {
    uint64_t epoch, number;
    bool last;
    int fresh, done; /* done: pictures filled, well or badly */
    int replaced;
    limn_loader_planes a, b;
    const limn_data_item **a_items, **b_items;
    limn_error error;
    int error_place; /* of the picture that error is about */
} slot;

/* A file that can't be read. */
typedef struct broken {
    const char *reason;
    struct broken *next; /* untold ones: in the order of their finding */
} broken;

struct limn_loader {
    const limn_data *data;
    limn_loader_settings settings;
    uint64_t length, batches, last_epoch; /* last_epoch: the first that is not served */
    limn_loader_cache cache;
    limn_worker *workers[WORKERS_MAX];

    pthread_mutex_t lock; /* for all that follows */
    pthread_cond_t work, ready;
    slot *slots;
    int slot_count;
    uint64_t begun, returned; /* batches that workers have begun, that the consumer gave back */
    uint64_t epoch, number;   /* of the batch that pictures are taken from, */
    int place;                /* and the next of its pictures */
    uint32_t *order;          /* of order_epoch */
    uint64_t order_epoch;
    bool lent, failed, closing;
    bool *is_broken; /* by file */
    uint64_t broken_count;
    broken *untold, **last_untold;
    limn_error error; /* given to the consumer already */
    double first_call, waited;
    uint64_t pictures;
    limn_arena arena;
};

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- Handing out pictures (under the lock) --------------------------------------------------- */

static slot *slot_of(limn_loader *l, uint64_t sequence)
{
    return &l->slots[sequence % (uint64_t)l->slot_count];
}

static bool ended(const limn_loader *l)
{
    return l->last_epoch && l->epoch >= l->last_epoch;
}

/* Can a picture be handed out now? */
static bool has_task(const limn_loader *l)
{
    if (l->place > 0) return true; /* a batch that was begun is finished, also after an error */
    return !l->failed && !ended(l) && l->begun - l->returned < (uint64_t)l->slot_count;
}

static void begin_batch(limn_loader *l)
{
    slot *s = slot_of(l, l->begun++);
    uint64_t first = l->number * (uint64_t)l->settings.batch, left = l->length - first;

    s->epoch = l->epoch;
    s->number = l->number;
    s->last = l->number + 1 == l->batches;
    s->fresh = left < (uint64_t)l->settings.batch ? (int)left : l->settings.batch;
    s->done = s->replaced = 0;
    s->error = (limn_error){ 0 };
    if (l->settings.serial || l->order_epoch == l->epoch + 1) return;
    limn_random_permutation(
        &(limn_random){ .seed = l->settings.seed, .stream = LIMN_STREAM_ORDER, .step = l->epoch },
        l->order, l->length);
    l->order_epoch = l->epoch + 1; /* 0 is none */
}

/* The pair number `index` of the list, or the pictures that are drawn together with it. */
static void choose(limn_loader *l, slot *s, limn_loader_task *task, uint64_t index)
{
    const limn_data *data = l->data;

    task->index = (uint32_t)index;
    task->b = &data->b.items[index % data->b.count];
    if (data->pairing != LIMN_PLAIN) task->a = &data->a.items[index % data->a.count];
    if (data->pairing == LIMN_UNPAIRED && !l->settings.serial)
        task->b = &data->b.items[limn_random_below(&(limn_random){ .seed = l->settings.seed,
                                                                   .stream = LIMN_STREAM_PARTNER,
                                                                   .step = s->epoch },
                                                   index, (uint32_t)data->b.count)];
    s->a_items[task->place] = l->settings.b_to_a || !task->a ? task->b : task->a;
    s->b_items[task->place] = l->settings.b_to_a ? task->a : task->b;
}

static slot *take_task(limn_loader *l, limn_loader_task *task)
{
    uint64_t at;
    slot *s;

    if (!l->place) begin_batch(l);
    s = slot_of(l, l->begun - 1);
    at = (s->number * (uint64_t)l->settings.batch + (uint64_t)l->place) % l->length;
    *task = (limn_loader_task){
        .epoch = s->epoch, .place = l->place, .to_a = &s->a, .to_b = &s->b
    };
    choose(l, s, task, l->settings.serial ? at : l->order[at]);
    if (++l->place == l->settings.batch) {
        l->place = 0;
        if (++l->number == l->batches) l->number = 0, l->epoch++;
    }
    return s;
}

/* ---- Files that can't be read (under the lock) ------------------------------------------------
 */

static bool is_broken(const limn_loader *l, const limn_loader_task *task)
{
    return l->is_broken[task->b->file] || (task->a && l->is_broken[task->a->file]);
}

/* Remembers the file and what is wrong with it; false when that makes too many. */
static bool note_broken(limn_loader *l, const limn_data_item *item, limn_error *error)
{
    broken *b;

    if (l->is_broken[item->file]) return true; /* by another worker, meanwhile */
    l->is_broken[item->file] = true;
    l->broken_count++;
    if (l->broken_count >= LEAST && 10 * l->broken_count > l->data->files) {
        limn_while(error, "%llu of %zu pictures can't be read, the last one",
                   (unsigned long long)l->broken_count, l->data->files);
        return false;
    }
    if (!(b = limn_take(&l->arena, sizeof *b)) ||
        !(b->reason = limn_take_text(&l->arena, error->text)))
        return true; /* too little memory to tell; left out all the same */
    b->next = NULL;
    *l->last_untold = b;
    l->last_untold = &b->next;
    return true;
}

/* Whether the task that failed can be done with another picture: the next in the list of which
 * nothing bad is known.  Which one that is depends on the list alone, so a resumed run, whose files
 * are broken as well, goes on the same. */
static bool replace(limn_loader *l, slot *s, limn_loader_task *task, limn_error *error)
{
    bool files_fault = error->status == LIMN_IO || error->status == LIMN_FORMAT ||
                       error->status == LIMN_SHAPE;

    if (!l->settings.replace || !task->failed || !files_fault) return false;
    if (!note_broken(l, task->failed, error)) return false;
    for (uint64_t i = 1, from = task->index; i < l->length; i++) {
        choose(l, s, task, (from + i) % l->length);
        if (!is_broken(l, task)) return true;
    }
    return false;
}

const char *limn_loader_broken(limn_loader *l)
{
    const char *reason = NULL;

    pthread_mutex_lock(&l->lock);
    if (l->untold) {
        reason = l->untold->reason;
        if (!(l->untold = l->untold->next)) l->last_untold = &l->untold;
    }
    pthread_mutex_unlock(&l->lock);
    return reason;
}

/* Takes one picture, fills it without the lock, and notes the result. */
static void do_task(limn_loader *l)
{
    limn_loader_task task;
    limn_error error = { 0 };
    slot *s = take_task(l, &task);
    limn_status status;
    bool replaced = false, again;

    do {
        pthread_mutex_unlock(&l->lock);
        error = (limn_error){ 0 };
        status = limn_loader_prepare(&l->settings, l->data->pairing, &l->cache, &task, &error);
        pthread_mutex_lock(&l->lock);
        again = status && replace(l, s, &task, &error);
        replaced |= again;
    } while (again);
    s->replaced += replaced;
    if (status) {
        l->failed = true;
        if (!s->error.status || task.place < s->error_place) {
            s->error = error;
            s->error_place = task.place;
        }
    }
    if (++s->done == l->settings.batch) pthread_cond_broadcast(&l->ready);
}

static void work(void *context)
{
    limn_loader *l = context;

    pthread_mutex_lock(&l->lock);
    while (!l->closing) {
        if (has_task(l))
            do_task(l);
        else
            pthread_cond_wait(&l->work, &l->lock);
    }
    pthread_mutex_unlock(&l->lock);
}

/* ---- Opening --------------------------------------------------------------------------------- */

static limn_status check_input(const limn_data *data, const limn_loader_settings *s,
                               limn_error *error)
{
    bool derives = s->derivation.kind != LIMN_DERIVE_NONE;

    if (data->pairing == LIMN_PLAIN && !derives && !s->colorize)
        return limn_fail(error, LIMN_SETTING,
                         "plain pictures need something to be made from: --derive %s, or the "
                         "colorization model",
                         "edges, grey, blur or downscale");
    if (data->pairing != LIMN_PLAIN && (derives || s->colorize))
        return limn_fail(error, LIMN_SETTING,
                         "%s makes the input from plain pictures; this data has inputs of its own",
                         s->colorize ? "colorization" : "--derive");
    if (derives && s->colorize)
        return limn_fail(error, LIMN_SETTING, "colorization and --derive both make the input");
    if (data->pairing == LIMN_PLAIN && s->b_to_a)
        return limn_fail(error, LIMN_SETTING,
                         "--direction BtoA needs two sides; with plain pictures A is made from B");
    if (s->colorize && (s->a_channels != 1 || s->b_channels != 2))
        return limn_fail(error, LIMN_SETTING,
                         "colorization goes from 1 channel to 2, not from %d to %d; set --input-nc "
                         "1 and --output-nc 2",
                         s->a_channels, s->b_channels);
    if (s->hints.most > 0 && (data->pairing == LIMN_UNPAIRED || s->colorize))
        return limn_fail(error, LIMN_SETTING,
                         "--hints needs pairs: it shows the input colours of "
                         "its own target");
    if (s->hints.most > 0 && s->a_channels != s->b_channels)
        return limn_fail(error, LIMN_SETTING,
                         "--hints needs inputs that can show the target's colours; set --input-nc "
                         "%d",
                         s->b_channels);
    return LIMN_OK;
}

static limn_status check(const limn_data *data, const limn_loader_settings *s, limn_error *error)
{
    if (!data->b.count || (data->pairing != LIMN_PLAIN && !data->a.count))
        return limn_fail(error, LIMN_FORMAT, "there are no %s pictures",
                         limn_phase_name(data->phase));
    if (limn_data_length(data) > UINT32_MAX)
        return limn_fail(error, LIMN_SHAPE, "more than 2^32 pictures");
    if (s->batch < 1 || s->batch > BATCH_MAX)
        return limn_fail(error, LIMN_SETTING, "--batch-size is %d; it must be 1 to %d", s->batch,
                         BATCH_MAX);
    if (s->a_channels < 1 || s->b_channels < 1)
        return limn_fail(error, LIMN_SETTING, "--input-nc and --output-nc must be 1 or more");
    if (s->workers < 0 || s->workers > WORKERS_MAX)
        return limn_fail(error, LIMN_SETTING, "--num-threads is %d; it must be 0 to %d", s->workers,
                         WORKERS_MAX);
    LIMN_TRY(check_input(data, s, error));
    return limn_preparation_check(&s->preparation, error);
}

/* The shape that all pictures of a larger batch must have: the crop's, or that of the first file.
 */
static limn_status shape_of_first(limn_loader_planes *planes, const limn_data_item *item,
                                  int channels, const limn_loader_settings *s, limn_error *error)
{
    int mode = s->preparation.preprocess, size = s->preparation.crop_size;
    limn_picture_info info;
    limn_draw draw;
    limn_part part;

    planes->kept = (limn_shape){ s->batch, channels, size, size };
    if (mode == LIMN_PREPROCESS_SCALE_WIDTH || mode == LIMN_PREPROCESS_NONE) {
        LIMN_TRY(limn_picture_look(&info, item->path, NULL, error));
        LIMN_TRY(limn_loader_part(&part, &info, item, error));
        LIMN_TRY(limn_draw_for(&draw, &s->preparation, part.width, part.height, NULL, 0, error));
        planes->kept.h = draw.window.height;
        planes->kept.w = draw.window.width;
    }
    planes->shape = limn_padded(planes->kept,
                                limn_padding_to_multiple(planes->kept.h, planes->kept.w,
                                                         s->multiple > 1 ? s->multiple : 1));
    return LIMN_OK;
}

static limn_status open_slots(limn_loader *l, limn_error *error)
{
    const limn_loader_settings *s = &l->settings;
    const limn_data *data = l->data;
    size_t batch = (size_t)s->batch;
    limn_loader_planes a = { 0 }, b = { 0 };

    if (batch > 1) {
        const limn_data_item *first = data->a.count ? data->a.items : data->b.items;

        LIMN_TRY(shape_of_first(&a, s->b_to_a ? data->b.items : first, s->a_channels, s, error));
        LIMN_TRY(shape_of_first(&b, s->b_to_a ? first : data->b.items, s->b_channels, s, error));
    }
    LIMN_TRY(limn_take_into(&l->slots, &l->arena, (size_t)l->slot_count * sizeof *l->slots, error));
    for (int i = 0; i < l->slot_count; i++) {
        slot *to = &l->slots[i];

        LIMN_TRY(limn_take_into(&to->a_items, &l->arena, batch * sizeof *to->a_items, error));
        LIMN_TRY(limn_take_into(&to->b_items, &l->arena, batch * sizeof *to->b_items, error));
        to->a = a;
        to->b = b;
        if (batch == 1) continue;
        to->a.room = limn_count(a.shape);
        to->b.room = limn_count(b.shape);
        to->a.values = limn_block(to->a.room * sizeof(float));
        to->b.values = limn_block(to->b.room * sizeof(float));
        if (!to->a.values || !to->b.values)
            return limn_fail(error, LIMN_NO_MEMORY,
                             "out of memory for %d batches of %d pictures; set a smaller "
                             "--batch-size",
                             l->slot_count, s->batch);
    }
    return LIMN_OK;
}

static limn_status open_all(limn_loader *l, limn_error *error)
{
    const limn_loader_settings *s = &l->settings;
    size_t files = l->data->files;
    limn_picture **pictures;
    int ahead = s->ahead;

    LIMN_TRY(limn_take_into(&pictures, &l->arena, files * sizeof *pictures, error));
    LIMN_TRY(limn_take_into(&l->is_broken, &l->arena, files * sizeof *l->is_broken, error));
    l->cache.pictures = pictures;
    l->cache.files = files;
    if (!s->serial)
        LIMN_TRY(limn_take_into(&l->order, &l->arena, l->length * sizeof *l->order, error));
    if (ahead < 1) ahead = 1 + (s->workers + s->batch - 1) / s->batch;
    l->slot_count = s->workers ? ahead + 1 : 1; /* and the one that is lent */
    LIMN_TRY(open_slots(l, error));
    for (int i = 0; i < s->workers; i++)
        LIMN_TRY(limn_worker_start(&l->workers[i], work, l, error));
    return LIMN_OK;
}

limn_status limn_loader_open(limn_loader **loader, const limn_data *data,
                             const limn_loader_settings *settings, uint64_t epoch, uint64_t number,
                             limn_error *error)
{
    uint64_t batch = (uint64_t)settings->batch;
    limn_status status;
    limn_loader *l;

    *loader = NULL;
    LIMN_TRY(check(data, settings, error));
    if (!(l = limn_block(sizeof *l)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory for the loader of pictures");
    memset(l, 0, sizeof *l);
    l->data = data;
    l->settings = *settings;
    l->last_untold = &l->untold;
    l->length = limn_data_length(data);
    l->batches = (l->length + batch - 1) / batch;
    l->last_epoch = settings->epochs ? epoch + settings->epochs : 0;
    l->epoch = epoch + number / l->batches;
    l->number = number % l->batches;
    limn_arena_open(&l->arena, "the loader of pictures", 0);
    limn_loader_cache_open(&l->cache, NULL, 0, settings->cache_bytes);
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->ready, NULL);
    if ((status = open_all(l, error))) {
        limn_loader_close(&l);
        return status;
    }
    *loader = l;
    return LIMN_OK;
}

void limn_loader_close(limn_loader **loader)
{
    limn_loader *l = *loader;

    if (!l) return;
    pthread_mutex_lock(&l->lock);
    l->closing = true;
    pthread_cond_broadcast(&l->work);
    pthread_mutex_unlock(&l->lock);
    for (int i = 0; i < WORKERS_MAX; i++) limn_worker_join(&l->workers[i]);
    for (int i = 0; l->slots && i < l->slot_count; i++) {
        limn_block_free(l->slots[i].a.values);
        limn_block_free(l->slots[i].b.values);
    }
    limn_loader_cache_close(&l->cache);
    pthread_cond_destroy(&l->ready);
    pthread_cond_destroy(&l->work);
    pthread_mutex_destroy(&l->lock);
    limn_arena_close(&l->arena);
    limn_block_free(l);
    *loader = NULL;
}

/* ---- Taking batches -------------------------------------------------------------------------- */

static void lend(limn_loader *l, const slot *s, limn_batch *batch)
{
    *batch = (limn_batch){ .epoch = s->epoch,
                           .number = s->number,
                           .last = s->last,
                           .count = l->settings.batch,
                           .fresh = s->fresh,
                           .replaced = s->replaced,
                           .a_shape = s->a.shape,
                           .b_shape = s->b.shape,
                           .a_kept = s->a.kept,
                           .b_kept = s->b.kept,
                           .a = s->a.values,
                           .b = s->b.values,
                           .a_items = s->a_items,
                           .b_items = s->b_items };
    l->lent = true;
    l->pictures += (uint64_t)s->fresh;
}

/* Waits, or works, until the batch after those given back is whole; NULL at the end of the run. */
static slot *wait_for_batch(limn_loader *l)
{
    slot *s = slot_of(l, l->returned);

    for (;;) {
        if (l->begun > l->returned && s->done == l->settings.batch) return s;
        if (l->begun == l->returned && ended(l)) return NULL;
        if (!l->settings.workers)
            do_task(l);
        else
            pthread_cond_wait(&l->ready, &l->lock);
    }
}

limn_status limn_loader_next(limn_loader *loader, limn_batch *batch, limn_error *error)
{
    limn_loader *l = loader;
    double begin = now();
    slot *s;

    *batch = (limn_batch){ 0 };
    pthread_mutex_lock(&l->lock);
    if (l->first_call == 0) l->first_call = begin;
    if (l->lent) {
        l->lent = false;
        l->returned++;
        pthread_cond_broadcast(&l->work);
    }
    s = l->error.status ? NULL : wait_for_batch(l);
    if (s && s->error.status)
        l->error = s->error;
    else if (s)
        lend(l, s, batch);
    l->waited += now() - begin;
    pthread_mutex_unlock(&l->lock);
    if (l->error.status) return limn_fail(error, l->error.status, "%s", l->error.text);
    return LIMN_OK;
}

uint64_t limn_loader_batches(const limn_loader *loader)
{
    return loader->batches;
}

limn_loader_times limn_loader_time(limn_loader *loader)
{
    limn_loader_times times = { 0 };

    pthread_mutex_lock(&loader->lock);
    times.waited = loader->waited;
    times.total = loader->first_call > 0 ? now() - loader->first_call : 0;
    times.pictures = loader->pictures;
    pthread_mutex_unlock(&loader->lock);
    pthread_mutex_lock(&loader->cache.lock);
    times.cached = loader->cache.count;
    times.cached_bytes = loader->cache.bytes;
    pthread_mutex_unlock(&loader->cache.lock);
    times.decoded = atomic_load(&loader->cache.decoded);
    return times;
}
