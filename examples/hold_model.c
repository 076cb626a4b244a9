/* SPDX-License-Identifier: Apache-2.0
 *
 * Grade two: a model held open, and the program's own pixels through it, again and again.
 *
 *     cc hold_model.c $(pkg-config --cflags --libs limn) -lm -o hold_model
 *     ./hold_model facades.safetensors frame
 *
 * Draws three frames of a moving wave.  Each goes through the model twice: once to pixels, of which
 * the mean is printed, and once to a finished file, frame1.png and so on, which carries the marks
 * that bare pixels have no place for. */
#include <limn.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { WIDTH = 96, HEIGHT = 64, CHANNELS = 3, FRAMES = 3 };

static void draw(unsigned char *pixels, int frame)
{
    for (int i = 0; i < WIDTH * HEIGHT * CHANNELS; i++) {
        int x = i / CHANNELS % WIDTH, y = i / CHANNELS / WIDTH;

        pixels[i] = (unsigned char)(127 + 100 * sin(0.1 * (x + 8 * frame) + 0.05 * y + i % 3));
    }
}

static double mean_of(const limn_pixels *pixels)
{
    size_t count = (size_t)pixels->width * (size_t)pixels->height * (size_t)pixels->channels;
    const unsigned char *values = pixels->data;
    double sum = 0;

    for (size_t i = 0; i < count; i++) sum += values[i];
    return sum / (double)count;
}

static limn_status save(const char *name, int frame, const void *bytes, size_t count)
{
    char path[512];
    FILE *file;

    snprintf(path, sizeof path, "%s%d.png", name, frame);
    if (!(file = fopen(path, "wb"))) return LIMN_IO;
    size_t wrote = fwrite(bytes, 1, count, file);
    return fclose(file) || wrote != count ? LIMN_IO : LIMN_OK;
}

static limn_status one_frame(limn_translator *translator, const char *name, int frame,
                             limn_error *error)
{
    static unsigned char drawn[WIDTH * HEIGHT * CHANNELS];
    limn_pixels in = { WIDTH, HEIGHT, CHANNELS, 8, drawn }, out;
    limn_status status;
    size_t count;
    void *bytes;

    draw(drawn, frame);
    status = limn_translate_pixels(translator, &in, &out, error);
    if (status) return status;
    printf("frame %d: %d x %d, mean %.1f became %.1f\n", frame, out.width, out.height, mean_of(&in),
           mean_of(&out));
    limn_pixels_free(&out);

    status = limn_translate_encoded(translator, &in, &bytes, &count, error);
    if (status) return status;
    status = save(name, frame, bytes, count);
    if (status) strcpy(error->text, "the frame could not be written");
    limn_bytes_free(&bytes);
    return status;
}

int main(int argc, char **argv)
{
    limn_translate_settings settings = limn_translate_defaults();
    limn_error error = { 0 };
    limn_translator *translator;
    limn_status status;

    if (argc != 3) {
        fprintf(stderr, "usage: hold_model MODEL NAME\n");
        return 2;
    }
    settings.threads = 2; /* leave the others to the program */
    status = limn_translator_open(&translator, argv[1], &settings, &error);
    for (int frame = 1; frame <= FRAMES && !status; frame++)
        status = one_frame(translator, argv[2], frame, &error);
    limn_translator_close(&translator);
    if (status) fprintf(stderr, "hold_model: %s\n", error.text);
    return limn_status_exit_code(status);
}
