/* Signatures against the examples of Amazon's documentation of S3. */
#include "common/fs/s3/sigv4.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

static const char empty_sha256[] =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
static const struct sigv4_key key = {"AKIAIOSFODNN7EXAMPLE",
                                     "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", NULL};
enum { TIME_S = 1369353600 }; /* 2013-05-24T00:00:00Z */

static void expect(const struct sigv4_request *given, const char *names, const char *signature)
{
    const struct crypto *crypto = NULL;
    struct sigv4_request r = *given;
    STR_AUTO wanted = STR_INIT;
    STR_AUTO got = STR_INIT;
    r.host = "examplebucket.s3.amazonaws.com";
    r.region = "us-east-1";
    r.service = "s3";
    r.time_s = TIME_S;
    r.payload_sha256 = r.payload_sha256 != NULL ? r.payload_sha256 : empty_sha256;
    assert_int_equal(crypto_load(&crypto, NULL), 0);
    sigv4_sign(crypto, &key, &r, &got);
    str_printf(&wanted,
               "AWS4-HMAC-SHA256 "
               "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
               "SignedHeaders=%s, Signature=%s",
               names, signature);
    assert_string_equal(str_cstr(&got), str_cstr(&wanted));
}

static void test_get(void **state)
{
    const struct sigv4_pair headers[] = {{"range", "bytes=0-9"}};
    expect(
        &(struct sigv4_request){
            .method = "GET", .path = "/test.txt", .headers = headers, .n_headers = 1},
        "host;range;x-amz-content-sha256;x-amz-date",
        "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

static void test_put(void **state)
{
    const struct sigv4_pair headers[] = {{"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                                         {"date", "Fri, 24 May 2013 00:00:00 GMT"}};
    expect(
        &(struct sigv4_request){
            .method = "PUT",
            .path = "/test$file.text",
            .headers = headers,
            .n_headers = 2,
            .payload_sha256 = "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"},
        "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
}

static void test_query(void **state)
{
    const struct sigv4_pair query[] = {{"prefix", "J"}, {"max-keys", "2"}};
    const struct sigv4_pair lifecycle[] = {{"lifecycle", ""}};
    expect(&(struct sigv4_request){.method = "GET", .path = "/", .query = query, .n_query = 2},
           "host;x-amz-content-sha256;x-amz-date",
           "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
    expect(&(struct sigv4_request){.method = "GET", .path = "/", .query = lifecycle, .n_query = 1},
           "host;x-amz-content-sha256;x-amz-date",
           "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
}

static void test_escape(void **state)
{
    STR_AUTO text = STR_INIT;
    const struct sigv4_pair query[] = {{"b", "x y/z=+~"}, {"a", "\xc3\xa9"}};
    sigv4_escape(&text, SLICE_LIT("/a b/c+d~e%"), true);
    assert_string_equal(str_cstr(&text), "/a%20b/c%2Bd~e%25");
    str_clear(&text);
    sigv4_append_query(&text, query, ARRAY_LEN(query));
    assert_string_equal(str_cstr(&text), "a=%C3%A9&b=x%20y%2Fz%3D%2B~");
}

static void test_digests(void **state)
{
    const struct crypto *crypto = NULL;
    uint8_t digest[CRYPTO_SHA256_BYTES];
    STR_AUTO text = STR_INIT;
    assert_int_equal(crypto_load(&crypto, NULL), 0);
    crypto_sha256(crypto, SLICE_LIT(""), digest);
    str_append_hex(&text, digest, sizeof(digest));
    assert_string_equal(str_cstr(&text), empty_sha256);
    str_clear(&text);
    crypto_md5(crypto, SLICE_LIT("abc"), digest);
    crypto_append_base64(&text, digest, CRYPTO_MD5_BYTES);
    assert_string_equal(str_cstr(&text), "kAFQmDzST7DWlj99KOF/cg==");
    str_clear(&text);
    crypto_append_base64(&text, (const uint8_t *)"ab", 2);
    crypto_append_base64(&text, (const uint8_t *)"abc", 3);
    assert_string_equal(str_cstr(&text), "YWI=YWJj");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get),    cmocka_unit_test(test_put),     cmocka_unit_test(test_query),
        cmocka_unit_test(test_escape), cmocka_unit_test(test_digests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
