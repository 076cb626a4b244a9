/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of marks share: a signer, a sample of every format, marked and verified. */
#ifndef LIMN_TESTS_MARK_CASES_H
#define LIMN_TESTS_MARK_CASES_H

#include "base/file.h"
#include "mark_samples.h"
#include "publish/mark.h"
#include "publish/verify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char model[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static const char trained[] =
    "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia";
static const char composite[] =
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia";

static limn_signer *signer;
static limn_error error;
static size_t live_before;

static inline int start(void **state)
{
    (void)state;
    error = (limn_error){ 0 };
    live_before = limn_memory_live_blocks();
    return limn_signer_open(&signer, NULL, NULL, &error);
}

static inline int stop(void **state)
{
    (void)state;
    limn_memory_refuse_after(-1);
    limn_signer_close(&signer);
    assert_null(signer);
    assert_int_equal(limn_memory_live_blocks(), live_before);
    return 0;
}

static inline limn_mark_description plain(void)
{
    return (limn_mark_description){
        .software = "limn", .version = "0.1.0", .model_sha256 = model, .signer = signer
    };
}

/* ---- Samples --------------------------------------------------------------------------------- */

/* XMP as a camera writes it. */
static const char older[] =
    "<?xpacket begin='' id='W5M0MpCehiHzreSzNTczkc9d'?>"
    "<x:xmpmeta xmlns:x='adobe:ns:meta/' xmlns:dc='http://purl.org/dc/elements/1.1/'>"
    "<r:RDF xmlns:r='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>"
    "<r:Description r:about='uuid:1' xmlns:xap='http://ns.adobe.com/xap/1.0/'"
    " xmlns:t='http://ns.adobe.com/tiff/1.0/' xmlns:e='http://ns.adobe.com/exif/1.0/'"
    " xmlns:i='http://iptc.org/std/Iptc4xmpExt/2008-02-29/'"
    " xap:CreatorTool='Some camera' xap:Rating='4' t:Orientation='6' t:Make='Maker &amp; Sons'"
    " e:GPSLatitude='52,31.0N' i:DigitalSourceType='http://x/digitalCapture'>"
    "<dc:rights><r:Alt><r:li xml:lang='x-default'>(c) A &lt;B&gt;</r:li></r:Alt></dc:rights>"
    "<e:GPSLongitude>13,22.0E</e:GPSLongitude>"
    "<i:LocationCreated><r:Bag><r:li r:parseType='Resource'><i:City>Z\xc3\xbcrich</i:City>"
    "<e:GPSAltitude>408/1</e:GPSAltitude></r:li></r:Bag></i:LocationCreated>"
    "<i:AISystemUsed>other</i:AISystemUsed>"
    "<xap:Thumbnails><r:Alt><r:li>CreatorTool thumbnail</r:li></r:Alt></xap:Thumbnails>"
    "</r:Description></r:RDF></x:xmpmeta><?xpacket end='w'?>   ";

typedef enum sample {
    PNG8,
    PNG16,
    JPEG,
    WEBP,
    WEBP_LOSSLESS,
    TIFF_II,
    TIFF_MM,
    BIG_II,
    BIG_MM,
    SAMPLES
} sample;

static inline bool holds_manifest(sample which)
{
    return which == PNG8 || which == PNG16 || which == JPEG;
}

static inline void put_sample(limn_mark_buffer *out, sample which, const char *xmp)
{
    char text[4096];
    size_t count;

    switch (which) {
    case PNG8:
    case PNG16:
        count = (size_t)snprintf(text, sizeof text, "XML:com.adobe.xmp%c%c%c%c%c%s", 0, 0, 0, 0, 0,
                                 xmp ? xmp : "");
        sample_png(out, which == PNG8 ? 16 : 9, which == PNG8 ? 8 : 16, xmp ? "iTXt" : NULL, text,
                   count);
        break;
    case JPEG:
        limn_mark_put(out, sample_jpeg, 2);
        if (xmp) {
            limn_mark_put_u16(out, 0xffe1);
            limn_mark_put_u16(out, (uint32_t)(2 + 29 + strlen(xmp)));
            limn_mark_put(out, "http://ns.adobe.com/xap/1.0/", 29);
            limn_mark_put_text(out, xmp);
        }
        limn_mark_put(out, sample_jpeg + 2, sizeof sample_jpeg - 2);
        break;
    case WEBP:
        limn_mark_put(out, sample_webp, sizeof sample_webp);
        break;
    case WEBP_LOSSLESS:
        limn_mark_put(out, sample_webp_lossless, sizeof sample_webp_lossless);
        break;
    default:
        sample_tiff(out, which == TIFF_II || which == BIG_II, which >= BIG_II, xmp);
    }
}

static inline limn_mark_buffer marked(sample which, const char *xmp,
                                      const limn_mark_description *description,
                                      limn_mark_report *report)
{
    limn_mark_buffer in = { 0 }, out = { 0 };

    put_sample(&in, which, xmp);
    if (limn_mark(&out, limn_mark_written(&in), description, report, &error))
        fail_msg("%s", error.text);
    limn_mark_buffer_free(&in);
    return out;
}

static inline limn_verification *verified(const limn_mark_buffer *file)
{
    limn_verification *found;

    if (limn_verify_bytes(&found, file->data, file->count, "test", NULL, &error))
        fail_msg("%s", error.text);
    return found;
}

static inline bool contains(const limn_mark_buffer *file, const char *text)
{
    return memmem(file->data, file->count, text, strlen(text)) != NULL;
}

static inline limn_verdict verdict_of(const limn_mark_buffer *file)
{
    limn_verification *found = NULL;
    limn_verdict verdict;

    /* A file so damaged that nothing can be said of its marks is an error: not intact, either. */
    if (limn_verify_bytes(&found, file->data, file->count, "test", NULL, &error))
        return LIMN_VERDICT_BROKEN;
    verdict = found->verdict;
    limn_verification_close(&found);
    return verdict;
}

#endif
