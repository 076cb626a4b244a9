/* SPDX-License-Identifier: Apache-2.0
 *
 * The transforms of tiles_kernel.c along one side of a tile, each compiled in place.
 *
 * They come from a few finite points and infinity by Toom and Cook's construction.  N(x) is the
 * product of (x - p) over the finite points.  A tile's value at point p is its product with the
 * coefficients of N(x) / (x - p), at infinity with those of N(x); the weights' is their polynomial
 * at p divided by the value of N(x) / (x - p) at p, at infinity its last coefficient; result k is
 * the sum of p^k times the product at p, the last one with the product at infinity as well.  What
 * two points have in common is computed once.
 *
 * Points: 0 and 1 for a side of 3; -1 with them for 4; 2 for 5.  A side of 6 has 0, 3/4, -3/4, 3/2
 * and -3/2: their relative error is half of that of 0, 1, -1, 2, -2 (1.6e-6 and 3.5e-6 over 256
 * channels, where direct sums have 0.6e-6), and all their powers are exact.
 *
 * `to` and `from` are elements along a column or row of an array: their strides are given. */
#ifndef LIMN_OP_TILES_POINTS_H
#define LIMN_OP_TILES_POINTS_H

#define along static inline __attribute__((always_inline)) void

/* p, q: the points of a side of 6; P, Q their squares. */
#define P1 0.75f
#define P2 (P1 * P1)
#define P3 (P2 * P1)
#define P4 (P2 * P2)
#define Q1 1.5f
#define Q2 (Q1 * Q1)
#define Q3 (Q2 * Q1)
#define Q4 (Q2 * Q2)

/* ---- A tile's values at the points ----------------------------------------------------------- */

along enter_side(vector *to, const int ts, const vector *from, const int fs, const int side)
{
    vector d[LIMN_TILE_SIDE];

    for (int i = 0; i < side; i++) d[i] = from[i * fs];
    if (side == 3) {
        to[0] = d[1] - d[0];
        to[ts] = d[1];
        to[2 * ts] = d[2] - d[1];
    } else if (side == 4) {
        to[0] = d[2] - d[0];
        to[ts] = d[1] + d[2];
        to[2 * ts] = d[2] - d[1];
        to[3 * ts] = d[3] - d[1];
    } else if (side == 5) {
        vector a = d[3] - d[1], b = d[0] - d[2];

        to[0] = a + 2 * b;
        to[ts] = d[3] - d[2] - 2 * d[1];
        to[2 * ts] = d[3] - 3 * d[2] + 2 * d[1];
        to[3 * ts] = a;
        to[4 * ts] = d[4] - d[2] - 2 * a;
    } else {
        vector a = d[4] - Q2 * d[2], b = d[3] - Q2 * d[1];
        vector e = d[4] - P2 * d[2], f = d[3] - P2 * d[1];

        to[0] = e - Q2 * d[2] + P2 * Q2 * d[0];
        to[ts] = a + P1 * b;
        to[2 * ts] = a - P1 * b;
        to[3 * ts] = e + Q1 * f;
        to[4 * ts] = e - Q1 * f;
        to[5 * ts] = d[5] - (P2 + Q2) * d[3] + P2 * Q2 * d[1];
    }
}

/* ---- The weights' ---------------------------------------------------------------------------- */

along weigh_side(vector *to, const int ts, const vector *g, const int gs, const int side,
                 const int taps)
{
    vector even = g[0], odd = g[gs], even2 = g[0], odd2 = g[gs]; /* of two pairs of points */

    if (side == 3) {
        to[0] = -g[0];
        to[ts] = even + odd;
    } else if (side == 4) {
        if (taps > 2) even += g[2 * gs];
        to[0] = -g[0];
        to[ts] = 0.5f * (even + odd);
        to[2 * ts] = 0.5f * (even - odd);
    } else if (side == 5) {
        to[0] = 0.5f * g[0];
        to[ts] = -0.5f * (even + odd);
        to[2 * ts] = 1.f / 6 * (odd - even);
        to[3 * ts] = 1.f / 6 * (even + 2 * odd);
    } else {
        odd = P1 * odd;
        odd2 = Q1 * odd2;
        if (taps > 2) {
            even += P2 * g[2 * gs];
            even2 += Q2 * g[2 * gs];
        }
        if (taps > 3) {
            odd += P3 * g[3 * gs];
            odd2 += Q3 * g[3 * gs];
        }
        to[0] = 1 / (P2 * Q2) * g[0];
        to[ts] = 1 / (2 * P2 * (P2 - Q2)) * (even + odd);
        to[2 * ts] = 1 / (2 * P2 * (P2 - Q2)) * (even - odd);
        to[3 * ts] = 1 / (2 * Q2 * (Q2 - P2)) * (even2 + odd2);
        to[4 * ts] = 1 / (2 * Q2 * (Q2 - P2)) * (even2 - odd2);
    }
    to[(side - 1) * ts] = g[(taps - 1) * gs];
}

/* ---- Results from products ------------------------------------------------------------------- */

along leave_side(vector *to, const int ts, const vector *q, const int qs, const int side,
                 const int outputs)
{
    vector s = q[qs], d = q[qs], end = q[(side - 1) * qs];

    if (side > 3) {
        s += q[2 * qs];
        d -= q[2 * qs];
    }
    if (side == 3) {
        to[0] = q[0] + s;
        to[ts] = d + end;
    } else if (side == 4) {
        to[0] = q[0] + s;
        to[ts] = outputs == 2 ? d + end : d;
        if (outputs > 2) to[2 * ts] = s + end;
    } else if (side == 5) {
        vector a = q[3 * qs];

        to[0] = q[0] + s + a;
        to[ts] = d + 2 * a;
        to[2 * ts] = s + 4 * a;
        to[3 * ts] = d + 8 * a + end;
    } else {
        vector a = q[3 * qs] + q[4 * qs], b = q[3 * qs] - q[4 * qs];
        vector y2 = P2 * s + Q2 * a, y3 = P3 * d + Q3 * b;

        to[0] = q[0] + s + a;
        to[ts] = P1 * d + Q1 * b;
        to[2 * ts] = outputs == 3 ? y2 + end : y2;
        if (outputs > 3) to[3 * ts] = outputs == 4 ? y3 + end : y3;
        if (outputs > 4) to[4 * ts] = P4 * s + Q4 * a + end;
    }
}

/* ---- For gradients of weights: the transposes of the last two ----------------------------------
 */

along spread_side(vector *to, const int ts, const vector *y, const int ys, const int side,
                  const int outputs)
{
    vector even = y[0], odd = y[ys];

    to[0] = y[0];
    if (side == 3) {
        to[ts] = even + odd;
    } else if (side < 6) {
        if (outputs > 2) even += y[2 * ys];
        if (side == 5) {
            odd += y[3 * ys];
            to[3 * ts] = y[0] + 2 * y[ys] + 4 * y[2 * ys] + 8 * y[3 * ys];
        }
        to[ts] = even + odd;
        to[2 * ts] = even - odd;
    } else {
        vector even2 = even + Q2 * y[2 * ys], odd2 = Q1 * odd;

        even += P2 * y[2 * ys];
        odd = P1 * odd;
        if (outputs > 3) {
            odd += P3 * y[3 * ys];
            odd2 += Q3 * y[3 * ys];
        }
        to[ts] = even + odd;
        to[2 * ts] = even - odd;
        to[3 * ts] = even2 + odd2;
        to[4 * ts] = even2 - odd2;
    }
    to[(side - 1) * ts] = y[(outputs - 1) * ys];
}

along gather_side(vector *to, const int ts, const vector *q, const int qs, const int side,
                  const int taps)
{
    vector end = q[(side - 1) * qs];

    if (side == 3) {
        to[0] = q[qs] - q[0];
        to[ts] = q[qs] + end;
    } else if (side == 4) {
        vector s = 0.5f * (q[qs] + q[2 * qs]);

        to[0] = s - q[0];
        to[ts] = 0.5f * (q[qs] - q[2 * qs]);
        if (taps > 2) to[2 * ts] = s;
        to[(taps - 1) * ts] += end;
    } else if (side == 5) {
        to[0] = 0.5f * (q[0] - q[qs]) + 1.f / 6 * (q[3 * qs] - q[2 * qs]);
        to[ts] = 1.f / 6 * (q[2 * qs] + 2 * q[3 * qs]) - 0.5f * q[qs] + end;
    } else {
        vector s = 1 / (2 * P2 * (P2 - Q2)) * (q[qs] + q[2 * qs]);
        vector d = 1 / (2 * P2 * (P2 - Q2)) * (q[qs] - q[2 * qs]);
        vector a = 1 / (2 * Q2 * (Q2 - P2)) * (q[3 * qs] + q[4 * qs]);
        vector b = 1 / (2 * Q2 * (Q2 - P2)) * (q[3 * qs] - q[4 * qs]);

        to[0] = 1 / (P2 * Q2) * q[0] + s + a;
        to[ts] = P1 * d + Q1 * b;
        if (taps > 2) to[2 * ts] = P2 * s + Q2 * a;
        if (taps > 3) to[3 * ts] = P3 * d + Q3 * b;
        to[(taps - 1) * ts] += end;
    }
}

#undef P1
#undef P2
#undef P3
#undef P4
#undef Q1
#undef Q2
#undef Q3
#undef Q4
#undef along

#endif
