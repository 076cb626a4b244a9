/* SPDX-License-Identifier: Apache-2.0
 *
 * XMP is RDF in XML: rdf:RDF holds rdf:Description elements whose attributes and children are the
 * properties.  expat reads the input's packet; what it reports is written down again, the
 * properties that are no longer true left out, and one rdf:Description of limn's own put in at the
 * end.
 *
 * Splicing text into the packet was tried first and dropped: a property may be an attribute or an
 * element, under any prefix, and a search for "DigitalSourceType" finds it in a caption as well.  A
 * full XMP toolkit (exempi) brings C++ and a registry of prefixes for the whole process.  A
 * document type is refused: XMP has none, and entities are how small files become large ones. */
#include "publish/mark_xmp.h"

#include <expat.h>
#include <stdio.h>
#include <string.h>

#define NS_RDF "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
#define NS_XMP "http://ns.adobe.com/xap/1.0/"
#define NS_IPTC "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
#define NS_EXIF "http://ns.adobe.com/exif/1.0/"
#define NS_TIFF "http://ns.adobe.com/tiff/1.0/"
#define NS_MM "http://ns.adobe.com/xap/1.0/mm/"

enum { PACKET_MAX = 16 << 20, SEPARATOR = 1 };

/* Properties of the input that do not hold for the output; name NULL is the whole namespace. */
static const struct {
    const char *space, *name;
} stale[] = {
    /* written anew below */
    { NS_IPTC, "DigitalSourceType" },
    { NS_IPTC, "AISystemUsed" },
    { NS_IPTC, "AISystemVersionUsed" },
    { NS_XMP, "CreatorTool" },
    { NS_MM, "InstanceID" },
    { LIMN_XMP_NAMESPACE, NULL },
    /* pictures of the old content, pointers to parts of the old file and to its manifest */
    { NS_XMP, "Thumbnails" },
    { "http://ns.adobe.com/xmp/note/", NULL },
    { "http://purl.org/dc/terms/", "provenance" },
    { "http://ns.google.com/photos/1.0/container/", NULL },
    { "http://ns.adobe.com/hdr-gain-map/1.0/", NULL },
    /* sizes and an orientation that the encoder has just decided; a raw developer's settings */
    { NS_TIFF, "ImageWidth" },
    { NS_TIFF, "ImageLength" },
    { NS_TIFF, "BitsPerSample" },
    { NS_TIFF, "SamplesPerPixel" },
    { NS_TIFF, "Compression" },
    { NS_TIFF, "PhotometricInterpretation" },
    { NS_TIFF, "Orientation" },
    { NS_EXIF, "PixelXDimension" },
    { NS_EXIF, "PixelYDimension" },
    { "http://ns.adobe.com/camera-raw-settings/1.0/", NULL },
    { "http://ns.google.com/photos/1.0/panorama/", NULL },
};

/* ---- expat's memory comes through the library's door ----------------------------------------- */

static void *give(size_t bytes)
{
    size_t *block = bytes < SIZE_MAX - 64 ? limn_block(bytes + 64) : NULL;

    if (!block) return NULL;
    *block = bytes; /* for again() */
    return (char *)block + 64;
}

static void take_back(void *given)
{
    if (given) limn_block_free((char *)given - 64);
}

static void *again(void *given, size_t bytes)
{
    void *larger = give(bytes);

    if (larger && given) {
        size_t had = *(size_t *)((char *)given - 64);

        memcpy(larger, given, had < bytes ? had : bytes);
        take_back(given);
    }
    return larger;
}

static const XML_Memory_Handling_Suite memory = { give, again, take_back };

/* The first member of every context that a handler gets. */
typedef struct reading {
    XML_Parser parser;
} reading;

static void refuse_doctype(void *context, const XML_Char *name, const XML_Char *system,
                           const XML_Char *public_name, int internal)
{
    (void)name;
    (void)system;
    (void)public_name;
    (void)internal;
    XML_StopParser(((reading *)context)->parser, XML_FALSE);
}

static limn_status parser_open(reading *context, limn_error *error)
{
    static const XML_Char separator[2] = { SEPARATOR, 0 };

    if (!(context->parser = XML_ParserCreate_MM(NULL, &memory, separator)))
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory: reading XMP");
    XML_SetReturnNSTriplet(context->parser, XML_TRUE);
    XML_SetUserData(context->parser, context);
    XML_SetStartDoctypeDeclHandler(context->parser, refuse_doctype);
    return LIMN_OK;
}

/* Packets are often padded, and ended by a zero in TIFF. */
static limn_mark_span trimmed(limn_mark_span packet)
{
    while (packet.count &&
           (!packet.data[packet.count - 1] || strchr(" \t\r\n", packet.data[packet.count - 1])))
        packet.count--;
    return packet;
}

static limn_status parse(XML_Parser parser, limn_mark_span packet, bool *well_formed,
                         limn_error *error)
{
    packet = trimmed(packet);
    *well_formed = packet.count && packet.count <= PACKET_MAX &&
                   XML_Parse(parser, (const char *)packet.data, (int)packet.count, 1) ==
                       XML_STATUS_OK;
    if (!*well_formed && XML_GetErrorCode(parser) == XML_ERROR_NO_MEMORY)
        return limn_fail(error, LIMN_NO_MEMORY, "out of memory: reading XMP");
    return LIMN_OK;
}

/* ---- Names ----------------------------------------------------------------------------------- */

/* expat's "space|local|prefix", "space|local" or "local". */
typedef struct name {
    limn_mark_span space, local, prefix;
} name;

static name name_of(const XML_Char *text)
{
    const char *first = strchr(text, SEPARATOR),
               *second = first ? strchr(first + 1, SEPARATOR) : NULL;
    name n = { 0 };

    if (!first) {
        n.local = limn_mark_span_of(text, strlen(text));
        return n;
    }
    n.space = limn_mark_span_of(text, (size_t)(first - text));
    n.local = limn_mark_span_of(first + 1,
                                second ? (size_t)(second - first - 1) : strlen(first + 1));
    if (second) n.prefix = limn_mark_span_of(second + 1, strlen(second + 1));
    return n;
}

static bool name_is(const name *n, const char *space, const char *local)
{
    return limn_mark_span_is(n->space, space) && (!local || limn_mark_span_is(n->local, local));
}

static bool is_stale(const name *n)
{
    for (size_t i = 0; i < sizeof stale / sizeof *stale; i++)
        if (name_is(n, stale[i].space, stale[i].name)) return true;
    return false;
}

static bool is_place(const name *n)
{
    return name_is(n, NS_EXIF, NULL) && n->local.count > 3 && !memcmp(n->local.data, "GPS", 3);
}

/* ---- Writing down again ---------------------------------------------------------------------- */

static void put_escaped(limn_mark_buffer *out, const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        switch (text[i]) {
        case '&':
            limn_mark_put_text(out, "&amp;");
            break;
        case '<':
            limn_mark_put_text(out, "&lt;");
            break;
        case '>':
            limn_mark_put_text(out, "&gt;");
            break;
        case '"':
            limn_mark_put_text(out, "&quot;");
            break;
        case '\r':
            limn_mark_put_text(out, "&#xD;");
            break;
        case '\n':
            limn_mark_put_text(out, "&#xA;");
            break;
        case '\t':
            limn_mark_put_text(out, "&#x9;");
            break;
        default:
            limn_mark_put_u8(out, (unsigned char)text[i]);
        }
    }
}

static void put_name(limn_mark_buffer *out, const name *n)
{
    if (n->prefix.count) {
        limn_mark_put_span(out, n->prefix);
        limn_mark_put_text(out, ":");
    }
    limn_mark_put_span(out, n->local);
}

static void put_attribute(limn_mark_buffer *out, const char *qualified, const char *value)
{
    limn_mark_put_text(out, " ");
    limn_mark_put_text(out, qualified);
    limn_mark_put_text(out, "=\"");
    put_escaped(out, value, strlen(value));
    limn_mark_put_text(out, "\"");
}

typedef struct merge {
    reading reading; /* first */
    limn_mark_buffer *out;
    const limn_mark_description *description;
    const char *instance;
    limn_mark_buffer spaces; /* declarations not yet written */
    limn_mark_buffer about;  /* rdf:about of the input, with its zero */
    int depth, rdf_depth;    /* elements open; depth of rdf:RDF, 0 before it */
    int skip_depth;          /* depth of the element that is left out, 0 outside of one */
    size_t description_at;   /* where the open description begins in out */
    bool description_says;   /* something of it is kept */
    bool done;               /* behind </rdf:RDF> */
} merge;

/* What limn says. */
static void put_own(merge *m)
{
    const limn_mark_description *d = m->description;
    limn_mark_buffer *out = m->out;
    char tool[256];

    snprintf(tool, sizeof tool, "%s %s", d->software, d->version);
    limn_mark_put_text(out, "<rdf:Description");
    put_attribute(out, "xmlns:rdf", NS_RDF);
    put_attribute(out, "xmlns:xmp", NS_XMP);
    put_attribute(out, "xmlns:xmpMM", NS_MM);
    put_attribute(out, "xmlns:Iptc4xmpExt", NS_IPTC);
    put_attribute(out, "xmlns:limn", LIMN_XMP_NAMESPACE);
    put_attribute(out, "rdf:about", m->about.count ? (const char *)m->about.data : "");
    put_attribute(out, "xmp:CreatorTool", tool);
    put_attribute(out, "xmpMM:InstanceID", m->instance);
    put_attribute(out, "Iptc4xmpExt:DigitalSourceType", limn_mark_source_uri(d->source));
    put_attribute(out, "Iptc4xmpExt:AISystemUsed", d->software);
    put_attribute(out, "Iptc4xmpExt:AISystemVersionUsed", d->version);
    if (d->model_sha256) put_attribute(out, "limn:ModelSHA256", d->model_sha256);
    limn_mark_put_text(out, "/>");
}

/* Declarations gather above rdf:RDF, where the same prefix may be declared again: the inner one
 * counts, and an attribute may stand only once. */
static void forget_space(limn_mark_buffer *spaces, const char *start, size_t count)
{
    unsigned char *at = spaces->count ? memmem(spaces->data, spaces->count, start, count) : NULL;
    unsigned char *value, *end;
    size_t after;

    if (!at) return;
    value = at + count; /* behind the first quote; quotes inside are escaped */
    end = memchr(value, '"', spaces->count - (size_t)(value - spaces->data));
    after = spaces->count - (size_t)(end + 1 - spaces->data);
    memmove(at, end + 1, after);
    spaces->count = (size_t)(at - spaces->data) + after;
}

static void on_space(void *context, const XML_Char *prefix, const XML_Char *uri)
{
    merge *m = context;
    limn_mark_buffer start = { 0 };

    if (m->skip_depth || m->done) return;
    limn_mark_put_text(&start, prefix ? " xmlns:" : " xmlns");
    if (prefix) limn_mark_put_text(&start, prefix);
    limn_mark_put_text(&start, "=\"");
    if (!start.refused && !m->spaces.refused)
        forget_space(&m->spaces, (const char *)start.data, start.count);
    if (start.refused) m->spaces.refused = true;
    limn_mark_put_span(&m->spaces, limn_mark_written(&start));
    limn_mark_buffer_free(&start);
    if (uri) put_escaped(&m->spaces, uri, strlen(uri));
    limn_mark_put_text(&m->spaces, "\"");
}

static bool left_out(const merge *m, const name *n, int depth)
{
    if (is_place(n) && !m->description->keep_place) return true;
    return depth == m->rdf_depth + 2 && is_stale(n);
}

static void on_start(void *context, const XML_Char *element, const XML_Char **attributes)
{
    merge *m = context;
    name n = name_of(element);

    m->depth++;
    if (m->skip_depth || m->done) return;
    if (!m->rdf_depth) {
        if (!name_is(&n, NS_RDF, "RDF")) return; /* the declarations wait for rdf:RDF */
        m->rdf_depth = m->depth;
    } else if (left_out(m, &n, m->depth)) {
        m->skip_depth = m->depth;
        m->spaces.count = 0;
        return;
    }
    if (m->depth == m->rdf_depth + 1) {
        m->description_at = m->out->count;
        m->description_says = false;
    } else if (m->depth > m->rdf_depth) {
        m->description_says = true;
    }
    limn_mark_put_text(m->out, "<");
    put_name(m->out, &n);
    limn_mark_put_span(m->out, limn_mark_written(&m->spaces));
    m->spaces.count = 0;
    for (; *attributes; attributes += 2) {
        name a = name_of(attributes[0]);

        /* An attribute of a description is a property, one level below it. */
        if (left_out(m, &a, m->depth + 1)) continue;
        if (name_is(&a, NS_RDF, "about") ||
            (!a.space.count && limn_mark_span_is(a.local, "about"))) {
            if (m->depth == m->rdf_depth + 1 && !m->about.count)
                limn_mark_put(&m->about, attributes[1], strlen(attributes[1]) + 1);
        } else if (m->depth > m->rdf_depth) {
            m->description_says = true;
        }
        limn_mark_put_text(m->out, " ");
        put_name(m->out, &a);
        limn_mark_put_text(m->out, "=\"");
        put_escaped(m->out, attributes[1], strlen(attributes[1]));
        limn_mark_put_text(m->out, "\"");
    }
    limn_mark_put_text(m->out, ">");
}

static void on_end(void *context, const XML_Char *element)
{
    merge *m = context;
    name n = name_of(element);
    int depth = m->depth--;

    if (m->skip_depth) {
        if (m->skip_depth == depth) m->skip_depth = 0;
        return;
    }
    if (!m->rdf_depth || m->done) return;
    if (depth == m->rdf_depth + 1 && !m->description_says) {
        if (!m->out->refused) m->out->count = m->description_at;
        return;
    }
    if (depth == m->rdf_depth) {
        put_own(m);
        m->done = true;
    }
    limn_mark_put_text(m->out, "</");
    put_name(m->out, &n);
    limn_mark_put_text(m->out, ">");
}

static void on_text(void *context, const XML_Char *text, int count)
{
    merge *m = context;

    if (m->skip_depth || !m->rdf_depth || m->done) return;
    /* Line ends as they are, so that a packet stays legible. */
    if (count == 1 && *text == '\n')
        limn_mark_put_text(m->out, "\n");
    else
        put_escaped(m->out, text, (size_t)count);
}

static limn_status put_merged(merge *m, limn_mark_span older, bool *usable, limn_error *error)
{
    limn_status status;

    LIMN_TRY(parser_open(&m->reading, error));
    XML_SetElementHandler(m->reading.parser, on_start, on_end);
    XML_SetCharacterDataHandler(m->reading.parser, on_text);
    XML_SetStartNamespaceDeclHandler(m->reading.parser, on_space);
    status = parse(m->reading.parser, older, usable, error);
    XML_ParserFree(m->reading.parser);
    *usable = *usable && m->done;
    if (m->spaces.refused || m->about.refused) m->out->refused = true;
    limn_mark_buffer_free(&m->spaces);
    limn_mark_buffer_free(&m->about);
    return status;
}

/* Whatever was not thought of is found by reading the result back: what does not say what it should
 * is not written. */
static limn_status check_merged(limn_mark_span packet, const limn_mark_description *description,
                                bool *usable, limn_error *error)
{
    limn_xmp_facts facts;
    limn_arena arena = { 0 };
    limn_status status;

    limn_arena_open(&arena, "XMP", 1024);
    status = limn_xmp_read(&facts, packet, &arena, error);
    *usable = !status && facts.well_formed && facts.source_type &&
              !strcmp(facts.source_type, limn_mark_source_uri(description->source));
    limn_arena_close(&arena);
    return status;
}

limn_status limn_xmp_put(limn_mark_buffer *out, const limn_mark_description *description,
                         limn_mark_span older, const char *instance, bool *dropped,
                         limn_error *error)
{
    size_t start = out->count;
    bool usable = false;

    older = trimmed(older);
    for (int with_older = older.count > 0; with_older >= 0; with_older--) {
        merge m = { .out = out, .description = description, .instance = instance };

        out->count = start;
        limn_mark_put_text(out,
                           "<?xpacket begin=\"\xef\xbb\xbf\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n"
                           "<x:xmpmeta xmlns:x=\"adobe:ns:meta/\">");
        if (with_older) {
            LIMN_TRY(put_merged(&m, older, &usable, error));
        } else {
            limn_mark_put_text(out, "<rdf:RDF xmlns:rdf=\"" NS_RDF "\">");
            put_own(&m);
            limn_mark_put_text(out, "</rdf:RDF>");
        }
        /* "r": a program that edits the packet in place would break the manifest. */
        limn_mark_put_text(out, "</x:xmpmeta>\n<?xpacket end=\"r\"?>");
        LIMN_TRY(limn_mark_buffer_check(out, error));
        if (!with_older) break;
        if (usable)
            LIMN_TRY(check_merged(limn_mark_cut(limn_mark_written(out), start, out->count - start),
                                  description, &usable, error));
        if (usable) break;
    }
    *dropped = older.count && !usable;
    return LIMN_OK;
}

/* ---- Reading facts --------------------------------------------------------------------------- */

typedef struct facts_reading {
    reading reading; /* first */
    limn_arena *arena;
    limn_xmp_facts *facts;
    const char **wanted;   /* the fact whose element is open, or NULL */
    limn_mark_buffer text; /* its text so far */
    bool refused;
} facts_reading;

static const char **fact_of(limn_xmp_facts *facts, const name *n)
{
    if (name_is(n, NS_IPTC, "DigitalSourceType")) return &facts->source_type;
    if (name_is(n, NS_XMP, "CreatorTool")) return &facts->creator_tool;
    if (name_is(n, LIMN_XMP_NAMESPACE, "ModelSHA256")) return &facts->model_sha256;
    return NULL;
}

static void keep(facts_reading *r, const char **fact, const char *text, size_t count)
{
    char *copy;

    if (*fact || !count) return;
    if (!(copy = limn_take(r->arena, count + 1))) {
        r->refused = true;
        return;
    }
    memcpy(copy, text, count);
    *fact = copy;
}

static void fact_start(void *context, const XML_Char *element, const XML_Char **attributes)
{
    facts_reading *r = context;
    name n = name_of(element);

    r->wanted = fact_of(r->facts, &n);
    r->text.count = 0;
    for (; *attributes; attributes += 2) {
        name a = name_of(attributes[0]);
        const char **fact = fact_of(r->facts, &a);

        /* The value of a property in an element may be a reference. */
        if (!fact && name_is(&a, NS_RDF, "resource")) fact = r->wanted;
        if (fact) keep(r, fact, attributes[1], strlen(attributes[1]));
    }
}

static void fact_text(void *context, const XML_Char *text, int count)
{
    facts_reading *r = context;

    if (r->wanted) limn_mark_put(&r->text, text, (size_t)count);
}

static void fact_end(void *context, const XML_Char *element)
{
    facts_reading *r = context;

    (void)element;
    if (r->wanted) keep(r, r->wanted, (const char *)r->text.data, r->text.count);
    r->wanted = NULL;
}

limn_status limn_xmp_read(limn_xmp_facts *facts, limn_mark_span packet, limn_arena *arena,
                          limn_error *error)
{
    facts_reading r = { .arena = arena, .facts = facts };
    limn_status status;

    *facts = (limn_xmp_facts){ 0 };
    LIMN_TRY(parser_open(&r.reading, error));
    XML_SetElementHandler(r.reading.parser, fact_start, fact_end);
    XML_SetCharacterDataHandler(r.reading.parser, fact_text);
    status = parse(r.reading.parser, packet, &facts->well_formed, error);
    XML_ParserFree(r.reading.parser);
    if (!status && (r.refused || r.text.refused))
        status = limn_fail(error, LIMN_NO_MEMORY, "out of memory: reading XMP");
    limn_mark_buffer_free(&r.text);
    return status;
}
