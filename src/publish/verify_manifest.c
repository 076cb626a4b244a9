/* SPDX-License-Identifier: Apache-2.0
 *
 * A store of manifests, examined.  What holds what:
 *
 *     signature -> claim -> hash of each assertion -> (hard binding) hash of the file
 *                                                  -> (ingredient)   hash of another manifest
 *
 * The last manifest speaks for the file and is examined whole.  The others belong to the pictures
 * it was made from; every ingredient's hash of a manifest is compared, in all of them, which
 * reaches each through the chain from the last one.  Their own signatures are not examined.
 *
 * Nothing recurses: the nesting is known, lists are bounded, and the bytes hashed are counted.
 * Examining goes on after a fault, so that one look tells everything; what can't be hashed (stray
 * boxes, assertions that no claim names) counts as a fault, since it could have been put in later.
 */
#include "publish/verify_manifest.h"

#include "publish/mark_cbor.h"
#include "publish/mark_jumbf.h"

#include <string.h>

enum { MANIFESTS_MAX = 256, ASSERTIONS_MAX = 256 };

static const char uri_head[] = "self#jumbf=";

/* One assertion that a claim names. */
typedef struct reference {
    limn_mark_span uri, label, hash, algorithm;
} reference;

typedef struct examined {
    limn_jumbf store, manifest, assertions;
    limn_mark_span claim, algorithm; /* the claim's cbor; its default hash */
    reference *references;           /* ASSERTIONS_MAX of them */
    size_t count;
    bool redacted; /* the claim took something out of an ingredient */
} examined;

/* ---- Finding boxes --------------------------------------------------------------------------- */

/* Takes the part of a path up to the next slash. */
static limn_mark_span next_part(limn_mark_span *path)
{
    const unsigned char *slash = path->count ? memchr(path->data, '/', path->count) : NULL;
    size_t count = slash ? (size_t)(slash - path->data) : path->count;
    limn_mark_span part = limn_mark_cut(*path, 0, count);

    if (slash) count++;
    *path = limn_mark_cut(*path, count, path->count - count);
    return part;
}

/* Follows a URI: from the store when it begins with a slash, otherwise from the manifest. */
static bool resolve(const examined *e, const limn_jumbf *manifest, limn_mark_span uri,
                    limn_jumbf *out)
{
    size_t head = sizeof uri_head - 1;
    limn_mark_span path;

    if (uri.count <= head || memcmp(uri.data, uri_head, head)) return false;
    path = limn_mark_cut(uri, head, uri.count - head);
    *out = *manifest;
    if (path.data[0] == '/') {
        next_part(&path);
        *out = e->store;
        if (!limn_mark_span_is(next_part(&path), "c2pa")) return false;
    }
    while (path.count) {
        limn_jumbf parent = *out;

        if (!limn_jumbf_child(&parent, next_part(&path), out)) return false;
    }
    return true;
}

static limn_mark_span last_part(limn_mark_span uri)
{
    limn_mark_span part = { NULL, 0 };

    while (uri.count) part = next_part(&uri);
    return part;
}

static bool same_text(limn_mark_span a, limn_mark_span b)
{
    return a.count == b.count && (!a.count || !memcmp(a.data, b.data, a.count));
}

/* "c2pa.ingredient.v3__2" is an ingredient, and so is "c2pa.ingredient". */
static bool label_begins(limn_mark_span label, const char *text)
{
    size_t count = strlen(text);

    return label.count >= count && !memcmp(label.data, text, count) &&
           (label.count == count || label.data[count] == '.' ||
            (label.count > count + 1 && label.data[count] == '_' && label.data[count + 1] == '_'));
}

static bool is_manifest(const limn_jumbf *box)
{
    return !strcmp(box->kind, "c2ma") || !strcmp(box->kind, "c2um") || !strcmp(box->kind, "c2cm");
}

/* ---- The claim ------------------------------------------------------------------------------- */

static void read_generator(limn_examination *x, limn_mark_span claim)
{
    limn_mark_span info, item, name = { NULL, 0 }, version = { NULL, 0 };
    limn_cbor_walk walk;

    if (limn_cbor_find(claim, "claim_generator_info", 0, &info)) {
        if (limn_cbor_array_start(info, &walk) && limn_cbor_array_next(&walk, &item)) info = item;
        limn_cbor_find_text(info, "name", &name);
        limn_cbor_find_text(info, "version", &version);
    }
    if (!name.count) limn_cbor_find_text(claim, "claim_generator", &name);
    if (!name.count) return;
    x->out->generator = limn_examination_text(x, name);
    if (version.count) {
        const char *both = limn_take_format(x->arena, "%s %s", x->out->generator,
                                            limn_examination_text(x, version));

        if (!both)
            x->refused = true;
        else
            x->out->generator = both;
    }
}

/* Adds what one list of the claim names; a second naming of the same box would let two claims about
 * one hash stand side by side. */
static void read_references(limn_examination *x, examined *e, const char *list)
{
    limn_mark_span array, item;
    limn_cbor_walk walk;

    if (!limn_cbor_find(e->claim, list, 0, &array)) return;
    if (!limn_cbor_array_start(array, &walk)) {
        limn_examination_fault(x, "the claim's list of assertions is malformed");
        return;
    }
    while (limn_cbor_array_next(&walk, &item)) {
        reference r = { .algorithm = e->algorithm };

        limn_cbor_find_text(item, "alg", &r.algorithm);
        if (!limn_cbor_find_text(item, "url", &r.uri) ||
            !limn_cbor_find_bytes(item, "hash", &r.hash)) {
            limn_examination_fault(x, "the claim's list of assertions is malformed");
            return;
        }
        if (e->count == ASSERTIONS_MAX) {
            limn_examination_fault(x, "the claim names more than %d assertions", ASSERTIONS_MAX);
            return;
        }
        r.label = last_part(r.uri);
        for (size_t i = 0; i < e->count; i++) {
            if (!same_text(e->references[i].label, r.label)) continue;
            limn_examination_fault(x, "the claim names the assertion %s twice",
                                   limn_examination_text(x, r.label));
            return;
        }
        e->references[e->count++] = r;
    }
}

static void read_claim(limn_examination *x, examined *e)
{
    limn_mark_span text, unused;

    e->algorithm = limn_mark_span_of("sha256", 6);
    limn_cbor_find_text(e->claim, "alg", &e->algorithm);
    e->redacted = limn_cbor_find(e->claim, "redacted_assertions", 0, &unused);
    if (limn_cbor_find_text(e->claim, "dc:title", &text))
        x->out->title = limn_examination_text(x, text);
    read_generator(x, e->claim);
    read_references(x, e, "created_assertions");
    read_references(x, e, "gathered_assertions");
    read_references(x, e, "assertions"); /* version 1 */
}

/* ---- Assertions ------------------------------------------------------------------------------ */

static void read_action(limn_examination *x, limn_mark_span assertion)
{
    limn_mark_span actions, first, text;
    limn_cbor_walk walk;

    if (x->out->action || !limn_cbor_find(assertion, "actions", 0, &actions) ||
        !limn_cbor_array_start(actions, &walk) || !limn_cbor_array_next(&walk, &first))
        return;
    if (limn_cbor_find_text(first, "action", &text))
        x->out->action = limn_examination_text(x, text);
    if (limn_cbor_find_text(first, "digitalSourceType", &text))
        x->out->source_type = limn_examination_text(x, text);
}

/* Compares every hash that the claim gives. */
static limn_status examine_assertions(limn_examination *x, examined *e, limn_error *error)
{
    bool all = e->count > 0;

    for (size_t i = 0; i < e->count; i++) {
        const reference *r = &e->references[i];
        const char *label = limn_examination_text(x, r->label);
        limn_mark_span cbor;
        limn_jumbf box;
        bool same = false;

        if (!resolve(e, &e->manifest, r->uri, &box)) {
            all = false;
            limn_examination_fault(x, "the assertion %s is missing", label);
            continue;
        }
        LIMN_TRY(limn_examine_hash(x, r->algorithm, &box.content, 1, r->hash, &same, error));
        if (!same) {
            all = false;
            limn_examination_fault(x, "the assertion %s was changed after it was signed", label);
        } else {
            limn_examination_say(x, "assertion %s intact", label);
        }
        if (label_begins(r->label, "c2pa.actions") && limn_jumbf_only(&box, "cbor", &cbor))
            read_action(x, cbor);
    }
    if (!e->count) limn_examination_fault(x, "the claim names no assertion");
    x->out->assertions = all ? LIMN_SEAL_GOOD : LIMN_SEAL_BAD;
    return LIMN_OK;
}

/* An assertion that the claim does not name is nobody's. */
static void examine_strays(limn_examination *x, examined *e)
{
    limn_mark_span rest = e->assertions.boxes;
    size_t count = 0;
    limn_jumbf box;

    while (limn_jumbf_next_super(&rest, &box)) {
        bool named = false;

        for (size_t i = 0; i < e->count && !named; i++)
            named = same_text(e->references[i].label, box.label);
        if (!named)
            limn_examination_fault(x, "the assertion %s is not named by the claim",
                                   limn_examination_text(x, box.label));
        if (++count > ASSERTIONS_MAX) {
            limn_examination_fault(x, "there are more than %d assertions", ASSERTIONS_MAX);
            return;
        }
    }
    if (rest.count)
        limn_examination_fault(x, "the boxes of the assertions are malformed");
    else if (count != e->count)
        limn_examination_fault(x, "the claim names %zu assertions and there are %zu", e->count,
                               count);
}

/* ---- Hard binding ---------------------------------------------------------------------------- */

static limn_status examine_file(limn_examination *x, examined *e, limn_error *error)
{
    const reference *other = NULL, *data = NULL;
    limn_mark_span cbor;
    limn_jumbf box;

    for (size_t i = 0; i < e->count; i++) {
        if (!label_begins(e->references[i].label, "c2pa.hash")) continue;
        if (limn_mark_span_is(e->references[i].label, "c2pa.hash.data"))
            data = &e->references[i];
        else if (!other)
            other = &e->references[i];
    }
    if (!data && other)
        return limn_fail(error, LIMN_FORMAT,
                         "its manifest is bound to the file by %s, which limn can't check (it "
                         "checks c2pa.hash.data)",
                         limn_examination_text(x, other->label));
    if (!data) {
        limn_examination_fault(x, "nothing binds the manifest to the file");
        return LIMN_OK;
    }
    if (!resolve(e, &e->manifest, data->uri, &box) || !limn_jumbf_only(&box, "cbor", &cbor)) {
        limn_examination_fault(x, "the assertion that binds the manifest to the file is malformed");
        return LIMN_OK;
    }
    return limn_examine_binding(x, cbor, e->algorithm, error);
}

/* ---- Ingredients ----------------------------------------------------------------------------- */

static limn_status examine_ingredient(limn_examination *x, const examined *e,
                                      const limn_jumbf *manifest, limn_mark_span ingredient,
                                      limn_error *error)
{
    limn_mark_span link, uri, hash, algorithm = e->algorithm;
    limn_jumbf target;
    bool same;

    if (!limn_cbor_find(ingredient, "activeManifest", 0, &link) &&
        !limn_cbor_find(ingredient, "c2pa_manifest", 0, &link))
        return LIMN_OK; /* made from a picture without a manifest */
    limn_cbor_find_text(link, "alg", &algorithm);
    if (!limn_cbor_find_text(link, "url", &uri) || !limn_cbor_find_bytes(link, "hash", &hash) ||
        !resolve(e, manifest, uri, &target)) {
        limn_examination_fault(x, "the manifest of an ingredient is missing");
        return LIMN_OK;
    }
    LIMN_TRY(limn_examine_hash(x, algorithm, &target.content, 1, hash, &same, error));
    if (same)
        limn_examination_say(x, "manifest of an ingredient intact: %s",
                             limn_examination_text(x, target.label));
    else if (e->redacted)
        limn_examination_say(x, "manifest of an ingredient changed, as the claim announces: %s",
                             limn_examination_text(x, target.label));
    else
        limn_examination_fault(x, "the manifest of an ingredient was changed: %s",
                               limn_examination_text(x, target.label));
    return LIMN_OK;
}

static limn_status examine_ingredients(limn_examination *x, const examined *e, limn_error *error)
{
    limn_mark_span manifests = e->store.boxes, rest, cbor;
    limn_jumbf manifest, assertions, box;

    while (limn_jumbf_next_super(&manifests, &manifest)) {
        size_t count = 0;

        if (!limn_jumbf_child_of_kind(&manifest, "c2as", &assertions)) continue;
        rest = assertions.boxes;
        while (count++ < ASSERTIONS_MAX && limn_jumbf_next_super(&rest, &box)) {
            if (label_begins(box.label, "c2pa.ingredient") && limn_jumbf_only(&box, "cbor", &cbor))
                LIMN_TRY(examine_ingredient(x, e, &manifest, cbor, error));
        }
    }
    return LIMN_OK;
}

/* ---- The store ------------------------------------------------------------------------------- */

/* The parts of the last manifest; false with a fault when one is missing. */
static bool open_manifest(limn_examination *x, examined *e, limn_mark_span *cose)
{
    limn_mark_span rest = e->manifest.boxes, uri;
    limn_jumbf box, claim = { 0 }, signature = { 0 }, signed_by;
    int claims = 0, signatures = 0, stores = 0;

    while (limn_jumbf_next_super(&rest, &box)) {
        if (!strcmp(box.kind, "c2as")) {
            e->assertions = box;
            stores++;
        } else if (!strcmp(box.kind, "c2cl")) {
            claim = box;
            claims++;
        } else if (!strcmp(box.kind, "c2cs")) {
            signature = box;
            signatures++;
        } else if (strcmp(box.kind, "c2vc") && strcmp(box.kind, "c2db")) {
            limn_examination_fault(x, "the manifest holds a box that C2PA does not know");
        }
    }
    if (rest.count || claims != 1 || signatures != 1 || stores != 1 ||
        !limn_mark_span_is(e->assertions.label, "c2pa.assertions") ||
        (!limn_mark_span_is(claim.label, "c2pa.claim.v2") &&
         !limn_mark_span_is(claim.label, "c2pa.claim")) ||
        !limn_jumbf_only(&claim, "cbor", &e->claim) || !limn_jumbf_only(&signature, "cbor", cose)) {
        limn_examination_fault(x, "the manifest does not have one claim, one signature and one "
                                  "store of assertions");
        return false;
    }
    /* The claim names its signature and with it the manifest: else it could be moved to another. */
    if (!limn_cbor_find_text(e->claim, "signature", &uri) ||
        !resolve(e, &e->manifest, uri, &signed_by) ||
        signed_by.content.data != signature.content.data) {
        limn_examination_fault(x, "the claim does not name the signature of its manifest");
        return false;
    }
    return true;
}

static limn_status find_active(limn_examination *x, limn_mark_span bytes, examined *e,
                               limn_error *error)
{
    limn_mark_span rest = bytes;
    limn_jumbf box;

    if (!limn_jumbf_next_super(&rest, &e->store) || strcmp(e->store.kind, "c2pa") ||
        !limn_mark_span_is(e->store.label, "c2pa") || rest.count) {
        limn_examination_fault(x, "the boxes of the manifest are malformed");
        return LIMN_OK;
    }
    rest = e->store.boxes;
    while (limn_jumbf_next_super(&rest, &box)) {
        if (!is_manifest(&box)) {
            limn_examination_fault(x, "the store of manifests holds a box that is none");
            continue;
        }
        e->manifest = box;
        if (++x->out->manifests > MANIFESTS_MAX) {
            limn_examination_fault(x, "there are more than %d manifests", MANIFESTS_MAX);
            return LIMN_OK;
        }
    }
    if (rest.count) limn_examination_fault(x, "the boxes of the manifest are malformed");
    if (!x->out->manifests) {
        limn_examination_fault(x, "the store of manifests is empty");
        return LIMN_OK;
    }
    x->out->manifest = limn_examination_text(x, e->manifest.label);
    if (strcmp(e->manifest.kind, "c2ma"))
        return limn_fail(error, LIMN_FORMAT,
                         "its last manifest is %s one, a kind that limn can't check",
                         strcmp(e->manifest.kind, "c2um") ? "a compressed" : "an update");
    return LIMN_OK;
}

limn_status limn_examine_store(limn_examination *x, limn_mark_span store, limn_error *error)
{
    examined e = { 0 };
    limn_mark_span cose;

    LIMN_TRY(limn_take_into(&e.references, x->arena, ASSERTIONS_MAX * sizeof *e.references, error));
    LIMN_TRY(find_active(x, store, &e, error));
    if (!e.manifest.content.count) return LIMN_OK;
    limn_examination_say(x, "manifest %s (%zu in the file)", x->out->manifest, x->out->manifests);
    if (!open_manifest(x, &e, &cose)) return LIMN_OK;
    read_claim(x, &e);
    LIMN_TRY(limn_examine_signature(x, cose, e.claim, error));
    LIMN_TRY(examine_assertions(x, &e, error));
    examine_strays(x, &e);
    LIMN_TRY(examine_file(x, &e, error));
    return examine_ingredients(x, &e, error);
}
