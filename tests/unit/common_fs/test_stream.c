/* Streams: plain, gzip, deflate, zstd, bzip2 and xz; several members, frames and streams; every truncation
 * and many damages; skipping. */
#include "fs_fixture.h"

#include "common/fs/stream.h"
#include <bzlib.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

enum { TEXT_BYTES = 300 * 1000 };

/* Words that compress, but not to nothing. */
static void make_text(struct str *text, size_t size, uint64_t seed)
{
    struct rng r;
    rng_init(&r, seed);
    while (text->len < size) {
        str_printf(text, "%x ", (unsigned)rng_below(&r, 5000));
    }
}

static void pack_zlib(struct str *out, struct slice data, int window_bits)
{
    z_stream z = {.next_in = (Bytef *)data.data, .avail_in = (uInt)data.len};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t room = deflateBound(&z, data.len);
    uint8_t *buf = mem_alloc(room);
    z.next_out = buf;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    str_append(out, (char *)buf, room - z.avail_out);
    deflateEnd(&z);
    mem_free(buf);
}

static void pack_zstd(struct str *out, struct slice data)
{
    size_t room = ZSTD_compressBound(data.len);
    uint8_t *buf = mem_alloc(room);
    size_t n = ZSTD_compress(buf, room, data.data, data.len, 3);
    assert_false(ZSTD_isError(n));
    str_append(out, (char *)buf, n);
    mem_free(buf);
}

static void pack_bz2(struct str *out, struct slice data)
{
    unsigned room = (unsigned)data.len + (unsigned)data.len / 100 + 600;
    char *buf = mem_alloc(room);
    assert_int_equal(BZ2_bzBuffToBuffCompress(buf, &room,
                                              (char *)(uintptr_t)(data.len > 0 ? data.data : ""),
                                              (unsigned)data.len, 1, 0, 0),
                     BZ_OK);
    str_append(out, buf, room);
    mem_free(buf);
}

static void pack_xz(struct str *out, struct slice data)
{
    size_t room = lzma_stream_buffer_bound(data.len), n = 0;
    uint8_t *buf = mem_alloc(room);
    assert_int_equal(lzma_easy_buffer_encode(1, LZMA_CHECK_CRC64, NULL, (const uint8_t *)data.data,
                                             data.len, buf, &n, room),
                     LZMA_OK);
    str_append(out, (char *)buf, n);
    mem_free(buf);
}

static void pack(struct str *out, struct slice data, enum fs_compression compression)
{
    if (compression == FS_COMPRESSION_ZSTD) {
        pack_zstd(out, data);
    } else if (compression == FS_COMPRESSION_BZIP2) {
        pack_bz2(out, data);
    } else if (compression == FS_COMPRESSION_XZ) {
        pack_xz(out, data);
    } else {
        pack_zlib(out, data, compression == FS_COMPRESSION_GZIP ? 15 + 16 : 15);
    }
}

static const char *name_of(enum fs_compression compression)
{
    static const char *const names[] = {"t.txt", "t.gz", "t.deflate", "t.zst", "t.bz2", "t.xz"};
    return in_dir(names[compression]);
}

/* Reads all in pieces of `piece` bytes; an error or 0. */
static int read_all(const char *path, size_t piece, struct str *out, struct error *err)
{
    struct fs_stream *s;
    TRY(fs_stream_open(path, &s, err));
    char *buf = mem_alloc(piece);
    size_t n = 1;
    int rc = 0;
    while (rc == 0 && n > 0) {
        rc = fs_stream_read(s, buf, piece, &n, err);
        if (rc == 0) {
            str_append(out, buf, n);
            assert_int_equal(fs_stream_position(s), out->len);
        }
    }
    if (rc == 0) { /* the end stays the end */
        assert_int_equal(fs_stream_read(s, buf, piece, &n, err), 0);
        assert_int_equal(n, 0);
    }
    mem_free(buf);
    fs_stream_close(s);
    return rc;
}

static void check_reads(const char *path, struct slice want)
{
    static const size_t pieces[] = {1u << 20, 4096, 777};
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        STR_AUTO got = STR_INIT;
        struct error err = ERROR_INIT;
        if (read_all(path, pieces[i], &got, &err) < 0) {
            fail_msg("%s", err.message);
        }
        assert_int_equal(got.len, want.len);
        assert_memory_equal(got.data, want.data, want.len);
    }
}

static void test_round_trips(void **state)
{
    STR_AUTO text = STR_INIT;
    make_text(&text, TEXT_BYTES, 1);
    put_file(name_of(FS_COMPRESSION_NONE), text.data, text.len);
    check_reads(name_of(FS_COMPRESSION_NONE), str_slice(&text));
    for (int c = FS_COMPRESSION_GZIP; c <= FS_COMPRESSION_XZ; c++) {
        STR_AUTO packed = STR_INIT;
        pack(&packed, str_slice(&text), (enum fs_compression)c);
        put_file(name_of((enum fs_compression)c), packed.data, packed.len);
        check_reads(name_of((enum fs_compression)c), str_slice(&text));
    }
}

/* Members and frames one after the other, empty ones too. */
static void test_several_parts(void **state)
{
    const enum fs_compression all[] = {FS_COMPRESSION_GZIP, FS_COMPRESSION_ZSTD,
                                       FS_COMPRESSION_BZIP2, FS_COMPRESSION_XZ};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        STR_AUTO packed = STR_INIT;
        STR_AUTO want = STR_INIT;
        for (size_t k = 0; k < 20; k++) {
            STR_AUTO text = STR_INIT;
            make_text(&text, k % 4 == 2 ? 0 : 1 + k * 1000, k);
            pack(&packed, str_slice(&text), all[i]);
            str_append_slice(&want, str_slice(&text));
        }
        put_file(name_of(all[i]), packed.data, packed.len);
        check_reads(name_of(all[i]), str_slice(&want));
    }
}

static void test_zeros_behind_gzip_are_padding(void **state)
{
    STR_AUTO packed = STR_INIT;
    pack(&packed, SLICE_LIT("text"), FS_COMPRESSION_GZIP);
    for (int i = 0; i < 5000; i++) {
        str_append_char(&packed, '\0');
    }
    put_file(in_dir("t.gz"), packed.data, packed.len);
    check_reads(in_dir("t.gz"), SLICE_LIT("text"));
}

static void test_skippable_zstd_frames(void **state)
{
    STR_AUTO packed = STR_INIT;
    const char skippable[] = {0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'x', 'y', 'z'};
    pack(&packed, SLICE_LIT("one"), FS_COMPRESSION_ZSTD);
    str_append(&packed, skippable, sizeof(skippable));
    pack(&packed, SLICE_LIT("two"), FS_COMPRESSION_ZSTD);
    put_file(in_dir("t.zst"), packed.data, packed.len);
    check_reads(in_dir("t.zst"), SLICE_LIT("onetwo"));
}

static void check_corrupt(const char *path, const char *part)
{
    STR_AUTO got = STR_INIT;
    struct error err = ERROR_INIT;
    assert_int_equal(read_all(path, 4096, &got, &err), ERR_CORRUPT);
    check_error(&err, ERR_CORRUPT, path, part);
}

/* Cut anywhere, the empty file too, it is an error and never a short text. */
static void test_truncated(void **state)
{
    STR_AUTO text = STR_INIT;
    make_text(&text, 700, 5);
    for (int c = FS_COMPRESSION_GZIP; c <= FS_COMPRESSION_XZ; c++) {
        STR_AUTO packed = STR_INIT;
        pack(&packed, str_slice(&text), (enum fs_compression)c);
        for (size_t n = 0; n < packed.len; n++) {
            put_file(name_of((enum fs_compression)c), packed.data, n);
            check_corrupt(name_of((enum fs_compression)c), "ends in the middle");
        }
    }
}

/* A flipped bit never changes what is read: it is found, but for the bits that fill up the last byte.
 * (gzip's header, the first ten bytes, has fields that mean nothing to us.) */
static void test_damaged(void **state)
{
    STR_AUTO text = STR_INIT;
    make_text(&text, 3000, 6);
    int n_harmless = 0;
    for (int c = FS_COMPRESSION_GZIP; c <= FS_COMPRESSION_DEFLATE; c++) {
        STR_AUTO packed = STR_INIT;
        pack(&packed, str_slice(&text), (enum fs_compression)c);
        for (size_t i = 10; i < packed.len; i += 7) {
            packed.data[i] ^= 0x20;
            put_file(name_of((enum fs_compression)c), packed.data, packed.len);
            STR_AUTO got = STR_INIT;
            struct error err = ERROR_INIT;
            int rc = read_all(name_of((enum fs_compression)c), 4096, &got, &err);
            bool harmless = rc == 0 && slice_eq(str_slice(&got), str_slice(&text));
            assert_true(rc == ERR_CORRUPT || harmless);
            n_harmless += harmless;
            packed.data[i] ^= 0x20;
        }
    }
    assert_in_range(n_harmless, 0, 2);
    put_text(in_dir("t.gz"), "this is no gzip file at all, but text");
    check_corrupt(in_dir("t.gz"), "damaged gzip data near byte");
    put_text(in_dir("t.zst"), "this is no zstd file at all, but text");
    check_corrupt(in_dir("t.zst"), "damaged zstd data near byte");
    put_text(in_dir("t.deflate"), "this is no zlib file at all, but text");
    check_corrupt(in_dir("t.deflate"), "damaged deflate data near byte");
    put_text(in_dir("t.bz2"), "this is no bzip2 file at all, but text");
    check_corrupt(in_dir("t.bz2"), "damaged bzip2 data near byte");
    put_text(in_dir("t.xz"), "this is no xz file at all, but text");
    check_corrupt(in_dir("t.xz"), "damaged xz data near byte");
}

static void test_other_data_behind_the_end(void **state)
{
    const enum fs_compression all[] = {FS_COMPRESSION_GZIP, FS_COMPRESSION_DEFLATE,
                                       FS_COMPRESSION_ZSTD, FS_COMPRESSION_BZIP2,
                                       FS_COMPRESSION_XZ};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        STR_AUTO packed = STR_INIT;
        pack(&packed, SLICE_LIT("text"), all[i]);
        str_append_cstr(&packed, "rubbish");
        put_file(name_of(all[i]), packed.data, packed.len);
        check_corrupt(name_of(all[i]), "4 good bytes");
    }
}

static void test_too_large_zstd_window(void **state)
{
    struct error err = ERROR_INIT;
    STR_AUTO text = STR_INIT;
    make_text(&text, 10000, 6);
    ZSTD_CCtx *z = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(z, ZSTD_c_windowLog, FS_STREAM_ZSTD_WINDOW_LOG_MAX + 2);
    ZSTD_CCtx_setParameter(z, ZSTD_c_contentSizeFlag, 0);
    char *packed = mem_alloc(20000);
    ZSTD_inBuffer in = {text.data, text.len, 0};
    ZSTD_outBuffer out = {packed, 20000, 0};
    /* Not by the one-call function, which knows the size and takes a small window. */
    assert_false(ZSTD_isError(ZSTD_compressStream2(z, &out, &in, ZSTD_e_flush)));
    assert_false(ZSTD_isError(ZSTD_compressStream2(z, &out, &in, ZSTD_e_end)));
    put_file(in_dir("t.zst"), packed, out.pos);
    ZSTD_freeCCtx(z);
    mem_free(packed);
    STR_AUTO got = STR_INIT;
    assert_int_equal(read_all(in_dir("t.zst"), 4096, &got, &err), ERR_TOO_LARGE);
    check_error(&err, ERR_TOO_LARGE, "128 MiB", "--long");
}

static void test_skip(void **state)
{
    STR_AUTO text = STR_INIT;
    make_text(&text, TEXT_BYTES, 9);
    for (int c = FS_COMPRESSION_NONE; c <= FS_COMPRESSION_XZ; c++) {
        const char *path = name_of((enum fs_compression)c);
        STR_AUTO packed = STR_INIT;
        if (c == FS_COMPRESSION_NONE) {
            str_append_slice(&packed, str_slice(&text));
        } else {
            pack(&packed, str_slice(&text), (enum fs_compression)c);
        }
        put_file(path, packed.data, packed.len);
        struct fs_stream *s;
        char buf[10];
        size_t n;
        struct error err = ERROR_INIT;
        assert_int_equal(fs_stream_open(path, &s, NULL), 0);
        assert_string_equal(fs_stream_path(s), path);
        assert_int_equal(fs_stream_skip(s, 200 * 1000, NULL), 0);
        assert_int_equal(fs_stream_read(s, buf, sizeof(buf), &n, NULL), 0);
        assert_int_equal(n, sizeof(buf));
        assert_memory_equal(buf, text.data + 200 * 1000, n);
        assert_in_range(fs_stream_compressed_position(s), 1, packed.len);
        assert_int_equal(fs_stream_skip(s, TEXT_BYTES, &err), ERR_CORRUPT);
        check_error(&err, ERR_CORRUPT, path, "somebody changed it");
        fs_stream_close(s);
    }
}

static void test_choice_by_name(void **state)
{
    assert_int_equal(fs_compression_of("/a/b.gz"), FS_COMPRESSION_GZIP);
    assert_int_equal(fs_compression_of("b.GZIP"), FS_COMPRESSION_GZIP);
    assert_int_equal(fs_compression_of("b.txt.zst"), FS_COMPRESSION_ZSTD);
    assert_int_equal(fs_compression_of("b.zstd"), FS_COMPRESSION_ZSTD);
    assert_int_equal(fs_compression_of("b.deflate"), FS_COMPRESSION_DEFLATE);
    assert_int_equal(fs_compression_of("/a.gz/b"), FS_COMPRESSION_NONE);
    assert_int_equal(fs_compression_of("gz"), FS_COMPRESSION_NONE);
    assert_string_equal(fs_compression_name(FS_COMPRESSION_ZSTD), "zstd");
    assert_string_equal(fs_compression_name((enum fs_compression)44), "unknown");
    struct fs_stream *s = NULL;
    struct error err = ERROR_INIT;
    assert_int_equal(fs_compression_of("b.bz2"), FS_COMPRESSION_BZIP2);
    assert_int_equal(fs_compression_of("b.xz"), FS_COMPRESSION_XZ);
    assert_int_equal(fs_stream_open(in_dir("a.gz"), &s, &err), ERR_NOT_FOUND);
    assert_null(fs_stream_close(NULL));
    put_text(in_dir("plain.gz"), "not packed");
    assert_int_equal(fs_stream_open_as(in_dir("plain.gz"), FS_COMPRESSION_NONE, &s, &err), 0);
    fs_stream_close(s);
}

static void test_failpoint(void **state)
{
    STR_AUTO packed = STR_INIT;
    STR_AUTO got = STR_INIT;
    struct error err = ERROR_INIT;
    pack(&packed, SLICE_LIT("text"), FS_COMPRESSION_GZIP);
    put_file(in_dir("t.gz"), packed.data, packed.len);
    assert_int_equal(failpoint_configure("fs.stream.fill=error:gone", NULL), 0);
    assert_true(read_all(in_dir("t.gz"), 100, &got, &err) < 0);
    assert_non_null(strstr(err.message, "gone"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FS_TEST(test_round_trips),
        FS_TEST(test_several_parts),
        FS_TEST(test_zeros_behind_gzip_are_padding),
        FS_TEST(test_skippable_zstd_frames),
        FS_TEST(test_truncated),
        FS_TEST(test_damaged),
        FS_TEST(test_other_data_behind_the_end),
        FS_TEST(test_too_large_zstd_window),
        FS_TEST(test_skip),
        FS_TEST(test_choice_by_name),
        FS_TEST(test_failpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
