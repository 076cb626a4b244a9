/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-256 against the examples of FIPS 180-4 (NIST's "Secure Hash Standard" example files) and
 * against digests made by sha256sum, over the lengths around the block's end where padding
 * changes. */
#include "base/sha256.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void is(const void *bytes, size_t count, const char *digest)
{
    char text[LIMN_DIGEST_TEXT];
    unsigned char binary[LIMN_DIGEST_BYTES];
    limn_sha256 hash;

    for (size_t piece = 1; piece <= 129; piece += 64) { /* pieces of 1, 65 and 129 bytes */
        limn_sha256_begin(&hash);
        for (size_t at = 0; at < count; at += piece)
            limn_sha256_add(&hash, (const char *)bytes + at,
                            count - at < piece ? count - at : piece);
        limn_sha256_end(&hash, binary);
        limn_digest_text(binary, text);
        assert_string_equal(text, digest);
    }
    limn_sha256_text(bytes, count, text);
    assert_string_equal(text, digest);
}

static void test_nist(void **state)
{
    static char million[1000000];

    (void)state;
    is("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    is("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    is("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
       "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    is("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqr"
       "lmnopqrsmnopqrstnopqrstu",
       112, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
    memset(million, 'a', sizeof million);
    is(million, sizeof million, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

/* sha256sum of so many letters x. */
static void test_around_the_block(void **state)
{
    char x[128];

    (void)state;
    memset(x, 'x', sizeof x);
    is(x, 55, "d5e285683cd4efc02d021a5c62014694958901005d6f71e89e0989fac77e4072");
    is(x, 56, "04c26261370ee7541549d16dee320c723e3fd14671e66a099afe0a377c16888e");
    is(x, 63, "75220b47218278e656f2013bb8f0c455a25eaf01e86c64924e9d48d89776d6f2");
    is(x, 64, "7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c");
    is(x, 65, "9537c5fdf120482f7d58d25e9ed583f52c02b4e304ea814db1633ad565aed7e9");
    is(x, 119, "000b48d4edf0fa7bee3c6236ecd2785baa5db4eeb8bb54341b029e0d9fa5fb0c");
    is(x, 120, "13f05a0b594787f5ecd315edc96141bd3243203d1b7d4f0836f37308b276ba98");
    is(x, 128, "24da1b81d0b16df6428eee73c69fcb2a93c76bc6df706f0c6670fe6bfe800464");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nist),
        cmocka_unit_test(test_around_the_block),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
