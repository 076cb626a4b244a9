/* SPDX-License-Identifier: Apache-2.0
 *
 * sRGB <-> CIE L*a*b*.
 *
 * White is the sum of the matrix' rows, so that equal red, green and blue give equal X/Xn, Y/Yn and
 * Z/Zn and greys have no colour at all; with the tabulated white (0.95047, 1, 1.08883) they get a
 * cast of 1e-4.  The inverse matrix is computed from the same nine numbers for the same reason. */
#include "data/lab.h"

#include <math.h>

/* Linear sRGB to XYZ, D65 (IEC 61966-2-1 primaries). */
static const double xyz[3][3] = { { 0.4124564, 0.3575761, 0.1804375 },
                                  { 0.2126729, 0.7151522, 0.0721750 },
                                  { 0.0193339, 0.1191920, 0.9503041 } };
/* CIE 15: the cube root goes over into a line at (6 / 29)^3. */
static const double EDGE = 6.0 / 29;

static double to_linear(double v)
{
    return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

static double to_coded(double v)
{
    return v <= 0.04045 / 12.92 ? v * 12.92 : 1.055 * pow(v, 1 / 2.4) - 0.055;
}

static double bend(double t)
{
    return t > EDGE * EDGE * EDGE ? cbrt(t) : t / (3 * EDGE * EDGE) + 4.0 / 29;
}

static double unbend(double f)
{
    return f > EDGE ? f * f * f : 3 * EDGE * EDGE * (f - 4.0 / 29);
}

void limn_lab_from_srgb(const double rgb[3], double lab[3])
{
    double linear[3], f[3];

    for (int i = 0; i < 3; i++) linear[i] = to_linear(rgb[i]);
    for (int i = 0; i < 3; i++) {
        double white = xyz[i][0] + xyz[i][1] + xyz[i][2], sum = 0;

        for (int k = 0; k < 3; k++) sum += xyz[i][k] * linear[k];
        f[i] = bend(sum / white);
    }
    lab[0] = 116 * f[1] - 16;
    lab[1] = 500 * (f[0] - f[1]);
    lab[2] = 200 * (f[1] - f[2]);
}

void limn_lab_to_srgb(const double lab[3], double rgb[3])
{
    double f[3], v[3], determinant = 0;

    f[1] = (lab[0] + 16) / 116;
    f[0] = f[1] + lab[1] / 500;
    f[2] = f[1] - lab[2] / 200;
    for (int i = 0; i < 3; i++) v[i] = unbend(f[i]) * (xyz[i][0] + xyz[i][1] + xyz[i][2]);
    /* Cramer's rule; the compiler folds what is constant. */
    for (int k = 0; k < 3; k++) {
        int a = (k + 1) % 3, b = (k + 2) % 3;
        double x = xyz[1][a] * xyz[2][b] - xyz[1][b] * xyz[2][a];
        double y = xyz[2][a] * xyz[0][b] - xyz[2][b] * xyz[0][a];
        double z = xyz[0][a] * xyz[1][b] - xyz[0][b] * xyz[1][a];

        determinant = xyz[0][k] * x + xyz[1][k] * y + xyz[2][k] * z;
        rgb[k] = to_coded((v[0] * x + v[1] * y + v[2] * z) / determinant);
    }
}

void limn_lab_split(const float *rgb, size_t count, float *l, float *ab)
{
    for (size_t i = 0; i < count; i++) {
        double colour[3], lab[3];

        for (size_t c = 0; c < 3; c++) colour[c] = ((double)rgb[c * count + i] + 1) / 2;
        limn_lab_from_srgb(colour, lab);
        l[i] = (float)(lab[0] / 50 - 1);
        ab[i] = (float)(lab[1] / 110);
        ab[count + i] = (float)(lab[2] / 110);
    }
}

static bool inside(const double rgb[3])
{
    const double slack = 1e-6; /* a third of the float's step at the ends of [-1, 1] would do */

    for (int c = 0; c < 3; c++)
        if (!(rgb[c] >= -slack && rgb[c] <= 1 + slack)) return false;
    return true;
}

void limn_lab_join(const float *l, const float *ab, size_t count, float *rgb)
{
    for (size_t i = 0; i < count; i++) {
        double lightness = 50 * ((double)l[i] + 1), low = 0, high = 1, colour[3];
        double a = 110 * (double)ab[i], b = 110 * (double)ab[count + i];

        lightness = lightness > 0 ? lightness < 100 ? lightness : 100 : 0;
        limn_lab_to_srgb((double[]){ lightness, a, b }, colour);
        if (!inside(colour)) {
            for (int step = 0; step < 30; step++) {
                double middle = (low + high) / 2;

                limn_lab_to_srgb((double[]){ lightness, a * middle, b * middle }, colour);
                if (inside(colour))
                    low = middle;
                else
                    high = middle;
            }
            limn_lab_to_srgb((double[]){ lightness, a * low, b * low }, colour);
        }
        for (size_t c = 0; c < 3; c++) {
            double v = colour[c] > 0 ? colour[c] < 1 ? colour[c] : 1 : 0;

            rgb[c * count + i] = (float)(2 * v - 1);
        }
    }
}
