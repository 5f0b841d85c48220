/* Which files of a backend earlier checkpoints have; see shared_files.h.
 *
 * One list for the last confirmed checkpoint, and one for each that was written since.
 * Thread: the task's.  Flink: the uploaded SST files of RocksIncrementalSnapshotStrategy. */
#include "engine/snapshot/shared_known.h"

#include "common/base/failpoint.h"
#include "common/base/map.h"
#include "common/base/vec.h"
#include "common/rpc/message.h"

/* Counted: lists of several checkpoints have the same file. */
struct known_file {
    uint32_t refs;
    Flinc__SharedFile *file; /* Owns */
};

struct pending_files {
    uint64_t checkpoint_id;
    struct map files; /* id -> struct known_file *, each a ref */
};

struct shared_files {
    struct map known;   /* of the last confirmed one; as above */
    struct vec pending; /* struct pending_files, oldest first */
};

static void known_unref(void *value)
{
    struct known_file *k = value;
    if (--k->refs == 0) {
        flinc__shared_file__free_unpacked(k->file, NULL);
        mem_free(k);
    }
}

struct shared_files *shared_files_new(void)
{
    struct shared_files *f = MEM_NEW(struct shared_files);
    map_init(&f->known, known_unref);
    vec_init(&f->pending, sizeof(struct pending_files));
    return f;
}

static void remove_oldest(struct shared_files *f)
{
    map_fini(&VEC_AT(&f->pending, struct pending_files, 0)->files);
    vec_remove(&f->pending, 0);
}

static void forget_all(struct shared_files *f)
{
    map_clear(&f->known);
    while (f->pending.len > 0) {
        remove_oldest(f);
    }
}

struct shared_files *shared_files_free(struct shared_files *f)
{
    if (f != NULL) {
        forget_all(f);
        map_fini(&f->known);
        vec_fini(&f->pending);
        mem_free(f);
    }
    return NULL;
}

void shared_files_begin(struct shared_files *f, Flinc__CheckpointKind kind)
{
    if (kind == FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL) {
        forget_all(f);
    }
}

static struct known_file *find(const struct shared_files *f, uint64_t id)
{
    return map_find_bytes(&f->known, &id, sizeof(id));
}

static struct known_file *find_unconfirmed(const struct shared_files *f, uint64_t id)
{
    struct known_file *k = NULL;
    for (size_t i = 0; i < f->pending.len && k == NULL; i++) {
        const struct pending_files *p = VEC_AT(&f->pending, struct pending_files, i);
        k = map_find_bytes(&p->files, &id, sizeof(id));
    }
    return k;
}

const Flinc__SharedFile *shared_files_find(const struct shared_files *f, uint64_t id)
{
    const struct known_file *k = find(f, id);
    if (k == NULL && PLANTED("shared_files.unconfirmed")) {
        k = find_unconfirmed(f, id);
    }
    return k != NULL ? k->file : NULL;
}

bool shared_files_is_known(const struct shared_files *f, uint64_t id)
{
    return find(f, id) != NULL;
}

static struct known_file *known_new(const Flinc__SharedFile *file)
{
    struct known_file *k = MEM_NEW(struct known_file);
    k->refs = 1;
    k->file = message_copy(&file->base);
    return k;
}

void shared_files_know(struct shared_files *f, uint64_t id, const Flinc__SharedFile *file)
{
    const Flinc__StateBlob *b = file->blob;
    if (b->shared || b->location[0] == '\0') {
        (void)map_put_bytes(&f->known, &id, sizeof(id), known_new(file));
    }
}

void shared_files_note(struct shared_files *f, uint64_t checkpoint_id)
{
    if (f->pending.len == SHARED_FILES_PENDING_MAX) {
        remove_oldest(f); /* its notice comes too late: later ones write more */
    }
    struct pending_files *p = VEC_PUSH(&f->pending, struct pending_files);
    p->checkpoint_id = checkpoint_id;
    map_init(&p->files, known_unref);
}

void shared_files_note_file(struct shared_files *f, uint64_t id, const Flinc__SharedFile *file)
{
    struct pending_files *p = VEC_AT(&f->pending, struct pending_files, f->pending.len - 1);
    struct known_file *k = find(f, id);
    if (k != NULL && k->file->checkpoint_id == file->checkpoint_id) {
        k->refs++;
    } else {
        k = known_new(file);
    }
    (void)map_put_bytes(&p->files, &id, sizeof(id), k);
}

void shared_files_confirm(struct shared_files *f, uint64_t checkpoint_id)
{
    size_t at = 0;
    while (at < f->pending.len &&
           VEC_AT(&f->pending, struct pending_files, at)->checkpoint_id != checkpoint_id) {
        at++;
    }
    if (at == f->pending.len) {
        return;
    }
    struct pending_files *p = VEC_AT(&f->pending, struct pending_files, at);
    map_fini(&f->known);
    f->known = p->files;
    map_init(&p->files, known_unref);
    for (size_t i = 0; i <= at; i++) { /* a checkpoint completes those before it, too */
        remove_oldest(f);
    }
}
