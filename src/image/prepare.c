/* SPDX-License-Identifier: Apache-2.0
 *
 * What is drawn for a pair, and applying it.
 *
 * The draw is made before any pixel is looked at and is a value of its own, so the halves of a
 * pair, derived inputs and hints can't come apart.  All draws of an index come from one Philox
 * block: word 0 the column, word 1 the row, word 2 the flip.  They are made whether they are used
 * or not, so switching the flip off does not move the crops. */
#include "image/prepare.h"

static bool crops(int preprocess)
{
    return preprocess == LIMN_PREPROCESS_RESIZE_AND_CROP || preprocess == LIMN_PREPROCESS_CROP ||
           preprocess == LIMN_PREPROCESS_SCALE_WIDTH_AND_CROP;
}

static bool scales_width(int preprocess)
{
    return preprocess == LIMN_PREPROCESS_SCALE_WIDTH ||
           preprocess == LIMN_PREPROCESS_SCALE_WIDTH_AND_CROP;
}

limn_status limn_preparation_check(const limn_preparation *preparation, limn_error *error)
{
    int mode = preparation->preprocess;
    bool scales = mode == LIMN_PREPROCESS_RESIZE_AND_CROP || scales_width(mode);

    if (mode < LIMN_PREPROCESS_RESIZE_AND_CROP || mode > LIMN_PREPROCESS_NONE)
        return limn_fail(error, LIMN_SETTING, "preprocess %d is none of %s", mode,
                         LIMN_PREPROCESS_CHOICES);
    if (scales && preparation->load_size < 1)
        return limn_fail(error, LIMN_SETTING, "--load-size is %d; it must be 1 or more",
                         preparation->load_size);
    if (crops(mode) && preparation->crop_size < 1)
        return limn_fail(error, LIMN_SETTING, "--crop-size is %d; it must be 1 or more",
                         preparation->crop_size);
    if (crops(mode) && scales && preparation->crop_size > preparation->load_size)
        return limn_fail(
            error, LIMN_SETTING,
            "--crop-size %d does not fit into --load-size %d; set --load-size to %d or "
            "more",
            preparation->crop_size, preparation->load_size, preparation->crop_size);
    return LIMN_OK;
}

limn_status limn_draw_for(limn_draw *draw, const limn_preparation *preparation, int width,
                          int height, const limn_random *random, uint64_t index, limn_error *error)
{
    int mode = preparation->preprocess, load = preparation->load_size,
        crop = preparation->crop_size;

    *draw = (limn_draw){ .source_width = width,
                         .source_height = height,
                         .width = width,
                         .height = height,
                         .scales = mode == LIMN_PREPROCESS_RESIZE_AND_CROP };
    LIMN_TRY(limn_preparation_check(preparation, error));
    if (width < 1 || height < 1)
        return limn_fail(error, LIMN_SHAPE, "a picture of %d x %d cannot be prepared", width,
                         height);
    if (mode == LIMN_PREPROCESS_RESIZE_AND_CROP) {
        draw->width = draw->height = load;
    } else if (scales_width(mode)) {
        int64_t scaled = (int64_t)load * height / width;

        if (scaled < crop) scaled = crop;
        if (scaled > INT32_MAX / 2)
            return limn_fail(error, LIMN_SHAPE,
                             "a picture of %d x %d cannot be scaled to a width of %d", width,
                             height, load);
        draw->width = load;
        /* Theirs: a picture that has the width and is tall enough is left alone. */
        draw->height = width == load && height >= crop ? height : scaled < 1 ? 1 : (int)scaled;
    }
    draw->window = (limn_part){ 0, 0, draw->width, draw->height };
    if (crops(mode)) {
        if (draw->width < crop || draw->height < crop)
            return limn_fail(error, LIMN_SHAPE,
                             "a picture of %d x %d is smaller than --crop-size %d; take a smaller "
                             "crop or --preprocess resize_and_crop",
                             draw->width, draw->height, crop);
        draw->window = (limn_part){ (draw->width - crop) / 2, (draw->height - crop) / 2, crop,
                                    crop };
    }
    if (random) {
        uint32_t words[4];

        limn_random_words(random, index, words);
        if (crops(mode)) {
            uint64_t columns = (uint64_t)(draw->width - crop + 1);
            uint64_t rows = (uint64_t)(draw->height - crop + 1);

            draw->window.x = (int)(words[0] * columns >> 32);
            draw->window.y = (int)(words[1] * rows >> 32);
        }
        draw->flip = preparation->flip && words[2] >> 31;
    }
    return LIMN_OK;
}

limn_status limn_draw_apply(const limn_draw *draw, const limn_picture *picture,
                            const limn_part *part, int channels, limn_filter filter, float *planes,
                            limn_error *error)
{
    limn_resampling how = { .width = draw->width,
                            .height = draw->height,
                            .window = draw->window,
                            .flip = draw->flip,
                            .filter = filter };

    how.from = part ? *part : (limn_part){ 0, 0, picture->info.width, picture->info.height };
    if (!draw->scales &&
        (how.from.width != draw->source_width || how.from.height != draw->source_height))
        return limn_fail(
            error, LIMN_SHAPE,
            "the two pictures of a pair differ in size: %d x %d and %d x %d; scale them "
            "or use --preprocess resize_and_crop",
            draw->source_width, draw->source_height, how.from.width, how.from.height);
    return limn_resample(picture, &how, channels, planes, error);
}

limn_status limn_picture_halves(const limn_picture_info *info, limn_part *a, limn_part *b,
                                limn_error *error)
{
    int half = info->width / 2;

    if (info->width % 2)
        return limn_fail(
            error, LIMN_SHAPE,
            "%d pixels wide, which is odd: a file with A and B side by side is twice as "
            "wide as each",
            info->width);
    *a = (limn_part){ 0, 0, half, info->height };
    *b = (limn_part){ half, 0, half, info->height };
    return LIMN_OK;
}
