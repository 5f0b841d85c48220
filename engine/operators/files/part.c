/* Files being written; see part.h. */
#include "engine/operators/files/part.h"

#include "common/base/failpoint.h"
#include "engine/operators/files/packer.h"

void part_format_fini(struct part_format *f)
{
    str_fini(&f->unpacked);
}

static void part_reset(struct file_part *p, struct part_format *f)
{
    if (p->state != NULL) {
        if (f->encoder->desc->drop != NULL) {
            f->encoder->desc->drop(f->encoder, p->state);
        }
        mem_free(p->state);
    }
    file_packer_free(p->packer);
    str_fini(&p->staged);
    str_fini(&p->path);
    str_fini(&p->persisted);
    *p = (struct file_part){.is_begun = false};
}

/* What the encoder made goes on through the packer. */
static int pack(struct file_part *p, struct part_format *f, struct error *err)
{
    TRY(file_packer_add(p->packer, str_slice(&f->unpacked), &p->staged, err));
    if (f->unpacked.cap > FILE_STAGED_KEEP_BYTES) {
        str_fini(&f->unpacked);
    }
    str_clear(&f->unpacked);
    return 0;
}

int part_begin(struct file_part *p, struct part_format *f, int64_t now_ms, struct error *err)
{
    struct slice header = f->encoder->header;

    TRY(file_packer_new(f->compression, &p->packer, err));
    p->is_begun = true;
    p->is_changed = true;
    p->begun_ms = p->used_ms = now_ms;
    if (f->encoder->desc->part_size > 0) {
        p->state = mem_zalloc(f->encoder->desc->part_size);
    }
    if (p->packer != NULL) {
        return file_packer_add(p->packer, header, &p->staged, err);
    }
    str_append_slice(&p->staged, header);
    p->bytes = header.len;
    return 0;
}

int part_encode(struct file_part *p, struct part_format *f, const struct batch *b,
                struct error *err)
{
    size_t before = p->staged.len;

    if (p->packer != NULL) {
        TRY(f->encoder->desc->encode(f->encoder, p->state, b, &f->unpacked, err));
        TRY(pack(p, f, err));
    } else {
        TRY(f->encoder->desc->encode(f->encoder, p->state, b, &p->staged, err));
    }
    p->bytes += p->staged.len - before;
    p->is_changed = true;
    return 0;
}

int part_write(struct file_part *p, uint64_t *ret_bytes, struct error *err)
{
    size_t n = p->staged.len;

    *ret_bytes = 0;
    if (n == 0) {
        return 0;
    }
    if (p->file == NULL) {
        TRY(recoverable_open(str_cstr(&p->path), &p->file, err));
    }
    TRY(recoverable_write(p->file, p->staged.data, n, err));
    *ret_bytes = n;
    if (p->staged.cap > FILE_STAGED_KEEP_BYTES) {
        str_fini(&p->staged);
    }
    str_clear(&p->staged);
    return 0;
}

int part_persist(struct file_part *p, struct error *err)
{
    if (!p->is_changed) {
        return 0;
    }
    TRY(FAILPOINT(err, "sink.file.persist"));
    TRY(recoverable_persist(p->file, &p->persisted, err));
    p->is_changed = false;
    return 0;
}

int part_close(struct file_part *p, struct part_format *f, uint64_t *ret_bytes,
               struct str *ret_handle, struct error *err)
{
    const struct file_encoder_desc *d = f->encoder->desc;

    TRY(FAILPOINT(err, "sink.file.close.before"));
    if (p->packer != NULL) {
        TRY(d->finish != NULL ? d->finish(f->encoder, p->state, &f->unpacked, err) : 0);
        TRY(pack(p, f, err));
        TRY(file_packer_finish(p->packer, &p->staged, err));
    } else if (d->finish != NULL) {
        TRY(d->finish(f->encoder, p->state, &p->staged, err));
    }
    TRY(part_write(p, ret_bytes, err));
    ASSERT(p->file != NULL); /* begun for rows, and each makes bytes */
    TRY(recoverable_close_for_commit(&p->file, ret_handle, err));
    part_reset(p, f);
    return 0;
}

void part_drop(struct file_part *p, struct part_format *f)
{
    if (p->persisted.len > 0) {
        recoverable_close(p->file);
    } else {
        recoverable_abort(p->file);
    }
    if (p->is_begun) {
        part_reset(p, f);
    }
}
