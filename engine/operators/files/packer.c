/* gzip by zlib, zstd by libzstd; see packer.h. */
#include "engine/operators/files/packer.h"

#include <zlib.h>
#include <zstd.h>

enum { PACK_ROOM = 64 * 1024, ZSTD_LEVEL = 3 };

struct file_packer {
    z_stream gzip; /* while zstd is NULL */
    ZSTD_CCtx *zstd;
};

int file_packer_check(const char *name, struct error *err)
{
    if (name[0] == '\0' || strcmp(name, "gzip") == 0 || strcmp(name, "zstd") == 0) {
        return 0;
    }
    return error_set(err, ERR_INVALID_ARGUMENT,
                     "there is no compression '%s' of files; there are gzip and zstd", name);
}

const char *file_packer_suffix(const char *name)
{
    return name[0] == '\0' ? "" : strcmp(name, "gzip") == 0 ? ".gz" : ".zst";
}

int file_packer_new(const char *name, struct file_packer **ret_packer, struct error *err)
{
    if (name[0] == '\0') {
        *ret_packer = NULL;
        return 0;
    }
    struct file_packer *p = MEM_NEW(struct file_packer);
    bool ok;
    if (strcmp(name, "gzip") == 0) {
        ok = deflateInit2(&p->gzip, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8,
                          Z_DEFAULT_STRATEGY) == Z_OK;
    } else {
        p->zstd = ZSTD_createCCtx();
        ok = p->zstd != NULL &&
             !ZSTD_isError(ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL)) &&
             !ZSTD_isError(ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_checksumFlag, 1));
    }
    if (!ok) {
        ZSTD_freeCCtx(p->zstd);
        mem_free(p);
        return error_set(err, ERR_OUT_OF_MEMORY, "no memory for %s", name);
    }
    *ret_packer = p;
    return 0;
}

struct file_packer *file_packer_free(struct file_packer *p)
{
    if (p != NULL && p->zstd == NULL) {
        deflateEnd(&p->gzip);
    }
    if (p != NULL) {
        ZSTD_freeCCtx(p->zstd);
        mem_free(p);
    }
    return NULL;
}

static int gzip_run(struct file_packer *p, struct slice bytes, int flush, struct str *out,
                    struct error *err)
{
    p->gzip.next_in = (Bytef *)(uintptr_t)bytes.data;
    p->gzip.avail_in = (uInt)bytes.len;
    for (int rc = Z_OK; rc != Z_STREAM_END;) {
        str_reserve(out, PACK_ROOM);
        p->gzip.next_out = (Bytef *)out->data + out->len;
        p->gzip.avail_out = PACK_ROOM;
        rc = deflate(&p->gzip, flush);
        if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR) {
            return error_set(err, ERR_INTERNAL, "packing by gzip failed: %d", rc);
        }
        out->len += PACK_ROOM - p->gzip.avail_out;
        if (flush == Z_NO_FLUSH && p->gzip.avail_in == 0 && p->gzip.avail_out > 0) {
            break;
        }
    }
    return 0;
}

static int zstd_run(struct file_packer *p, struct slice bytes, ZSTD_EndDirective end,
                    struct str *out, struct error *err)
{
    ZSTD_inBuffer in = {.src = bytes.data, .size = bytes.len};

    for (size_t left = 1; end == ZSTD_e_end ? left > 0 : in.pos < in.size;) {
        str_reserve(out, PACK_ROOM);
        ZSTD_outBuffer to = {.dst = out->data + out->len, .size = PACK_ROOM};
        left = ZSTD_compressStream2(p->zstd, &to, &in, end);
        if (ZSTD_isError(left)) {
            return error_set(err, ERR_INTERNAL, "packing by zstd failed: %s",
                             ZSTD_getErrorName(left));
        }
        out->len += to.pos;
    }
    return 0;
}

int file_packer_add(struct file_packer *p, struct slice bytes, struct str *out, struct error *err)
{
    return p->zstd != NULL ? zstd_run(p, bytes, ZSTD_e_continue, out, err)
                           : gzip_run(p, bytes, Z_NO_FLUSH, out, err);
}

int file_packer_finish(struct file_packer *p, struct str *out, struct error *err)
{
    return p->zstd != NULL ? zstd_run(p, slice_make(NULL, 0), ZSTD_e_end, out, err)
                           : gzip_run(p, slice_make(NULL, 0), Z_FINISH, out, err);
}
