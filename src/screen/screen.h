/* SPDX-License-Identifier: Apache-2.0
 *
 * The screen: is there nudity or sexual content in a picture?
 *
 * The technique that limn makes easy has a known abuse, so limn looks at every picture that it
 * learns from and at every picture that it makes, and refuses those that two classifiers find.
 * Their weights are part of the library and are checked by SHA-256 each time a screen is opened;
 * without them nothing runs.  There is no setting that turns it off, none that moves the limit, and
 * no row may be added for either.  docs/safety.md says what is refused, what was measured and what
 * was not. */
#ifndef LIMN_SCREEN_SCREEN_H
#define LIMN_SCREEN_SCREEN_H

#include "image/resample.h"
#include "net/plan.h"

/* In the order of the classifiers' outputs. */
typedef enum limn_screen_class {
    LIMN_SCREEN_DRAWINGS,
    LIMN_SCREEN_HENTAI,
    LIMN_SCREEN_NEUTRAL,
    LIMN_SCREEN_PORN,
    LIMN_SCREEN_SEXY,
    LIMN_SCREEN_CLASSES,
} limn_screen_class;

enum { LIMN_SCREEN_MODELS = 2 }; /* mobilenet_v2, mobilenet_v2_mid */

/* Refused is what scores above this. */
#define LIMN_SCREEN_LIMIT 0.5f

typedef struct limn_screen_verdict {
    float probability[LIMN_SCREEN_MODELS][LIMN_SCREEN_CLASSES];
    float score; /* hentai + porn + sexy, mean of both models: 0 to 1 */
    bool refused;
} limn_screen_verdict;

/* A picture, or a part of it (one half of a side-by-side file; width 0: all of it). */
typedef struct limn_screen_subject {
    const limn_picture *picture;
    limn_part part;
} limn_screen_subject;

/* The classifiers, ready to run; opened once for a process or a session, used by one thread at a
 * time (the work itself is spread over the compute threads). */
typedef struct limn_screen limn_screen;

/* compute: AUTO takes the fastest of what is exact; bf16 where the processor lacks it is fp32, and
 * all is plain where limn was built without oneDNN.  In bf16 a score is within 0.01 of fp32's.
 * On failure *out is NULL and nothing needs closing: LIMN_FORMAT when the weights are not those
 * that limn was released with, LIMN_NO_MEMORY, LIMN_COMPUTE. */
limn_status limn_screen_open(limn_screen **out, limn_compute compute, limn_error *error);
void limn_screen_close(limn_screen **screen);

/* Judges count pictures; verdicts has room for as many.  A refusal is a verdict and not an error.
 * One call for many pictures is the fast way: see docs/safety.md.
 *
 * A picture that can be looked at in several ways is judged by the worst of them: where it has
 * transparency, also as it looks on black and on white; where its channels are neither grey nor
 * RGB, three by three and those that are left over as grey.  Values out of range and NaN count as
 * the encoder would write them. */
limn_status limn_screen_pictures(limn_screen *screen, const limn_screen_subject *subjects,
                                 size_t count, limn_screen_verdict *verdicts, limn_error *error);

/* The same for shape.n pictures as planes (n, channels, height, width) in [-1, 1]: what a network
 * has made. */
limn_status limn_screen_planes(limn_screen *screen, const float *planes, limn_shape shape,
                               limn_screen_verdict *verdicts, limn_error *error);

/* The one wording of a refusal: fills error with LIMN_REFUSED_PICTURE and a sentence with name and
 * score when the verdict refuses, otherwise returns LIMN_OK.  what says which picture it is:
 * "training picture", "input", "output". */
limn_status limn_screen_refusal(const limn_screen_verdict *verdict, const char *what,
                                const char *name, limn_error *error);

/* The policy for training sets: whether a set of which `flagged` of `screened` pairs (or pictures)
 * were refused is refused whole.  More than 2 % and at least 3 of them, or all there are. */
bool limn_screen_refuses_set(size_t flagged, size_t screened);

/* SHA-256 of the weights, 64 hexadecimal digits, for model records; and what they are, in a few
 * words. */
const char *limn_screen_sha256(void);
const char *limn_screen_about(void);

#endif
