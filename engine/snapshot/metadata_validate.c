/* What must be true of a CheckpointMetadata: ids have their length, ranges their order, and numbers that
 * are used as counts and places fit what they count.
 *
 * Thread: any (read-only). */
#include "engine/snapshot/metadata_format.h"

#include "engine/data/hash.h"
#include "engine/snapshot/operator_part.h"
#include "engine/snapshot/shared_files.h"

enum { ID_BYTES = 16 };

static int bad(struct error *err, const Flinc__OperatorSnapshot *o, const char *what)
{
    return error_set(err, ERR_CORRUPT, "operator '%s': %s", o->name, what);
}

static int check_blob(const Flinc__OperatorSnapshot *o, const Flinc__StateBlob *blob,
                      struct error *err)
{
    if (blob == NULL) {
        return bad(err, o, "a state without bytes");
    }
    bool is_inline = blob->location[0] == '\0';
    if (is_inline ? blob->inline_data.len != blob->size : blob->inline_data.len != 0) {
        return bad(err, o, "a state whose bytes have another size than it says");
    }
    if (blob->merged_since == 0 ? blob->offset != 0 : is_inline || !blob->shared) {
        return bad(err, o, "a section of a file that is none");
    }
    if (blob->size > UINT64_MAX - blob->offset) {
        return bad(err, o, "a section that ends behind every file");
    }
    return 0;
}

/* Names become those of local files: one component. */
static bool is_file_name(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len <= SHARED_FILE_NAME_MAX && strchr(name, '/') == NULL &&
           strcmp(name, ".") != 0 && strcmp(name, "..") != 0;
}

static int check_files(const Flinc__OperatorSnapshot *o, const Flinc__SharedFiles *s,
                       struct error *err)
{
    if (s->first_group > s->last_group || s->last_group >= o->max_parallelism) {
        return bad(err, o, "files of key groups that there are not");
    }
    for (size_t i = 0; i < s->n_files; i++) {
        const Flinc__SharedFile *file = s->files[i];
        TRY(check_blob(o, file->blob, err));
        uint64_t size = file->blob->location[0] != '\0' ? file->blob->size : 0;
        if (!is_file_name(file->name)) {
            return bad(err, o, "a file with a name that is none");
        }
        if (file->n_block_crcs !=
            size / SHARED_FILE_BLOCK_BYTES + (size % SHARED_FILE_BLOCK_BYTES > 0)) {
            return bad(err, o, "a file with another number of check sums than it has blocks");
        }
    }
    return 0;
}

static int check_keyed(const Flinc__OperatorSnapshot *o, const Flinc__KeyedHandle *h,
                       struct error *err)
{
    if (h->first_group > h->last_group || h->last_group >= o->max_parallelism) {
        return bad(err, o, "keyed state of key groups that there are not");
    }
    for (size_t i = 0; i < h->n_segments; i++) {
        const Flinc__KeyedSegment *s = h->segments[i];
        if (s->first_group > s->last_group || s->last_group >= o->max_parallelism) {
            return bad(err, o, "keyed state of key groups that there are not");
        }
        TRY(check_blob(o, s->blob, err));
    }
    for (size_t i = 0; i < h->n_files; i++) {
        TRY(check_files(o, h->files[i], err));
    }
    return 0;
}

static int check_parts(const Flinc__OperatorSnapshot *o, const Flinc__OperatorStateHandle *h,
                       struct error *err)
{
    TRY(check_blob(o, h->blob, err));
    for (size_t i = 0; i < h->n_parts; i++) {
        TRY_CTX(err, operator_part_check(h->parts[i], h->blob->size, err), "operator '%s'",
                o->name);
    }
    return 0;
}

static int check_subtask(const Flinc__OperatorSnapshot *o, const Flinc__SubtaskSnapshot *s,
                         struct error *err)
{
    if (s->subtask >= o->parallelism) {
        return bad(err, o, "state of a subtask that there is not");
    }
    if (s->state == NULL) {
        return 0;
    }
    for (size_t i = 0; i < s->state->n_keyed; i++) {
        TRY(check_keyed(o, s->state->keyed[i], err));
    }
    for (size_t i = 0; i < s->state->n_operator_state; i++) {
        TRY(check_parts(o, s->state->operator_state[i], err));
    }
    for (size_t i = 0; i < s->state->n_channels; i++) {
        if (s->state->channels[i]->edge_id.len != ID_BYTES) {
            return bad(err, o, "records in flight on an edge without an id");
        }
        TRY(check_blob(o, s->state->channels[i]->blob, err));
    }
    return 0;
}

int metadata_validate(const Flinc__CheckpointMetadata *m, struct error *err)
{
    if (m->version == 0 || m->version > CHECKPOINT_METADATA_VERSION || m->job_id.len != ID_BYTES ||
        (uint32_t)m->kind > FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_NATIVE ||
        (uint32_t)m->stop > FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_DRAIN) {
        return error_set(err, ERR_CORRUPT, "version, kind or job of the snapshot make no sense");
    }
    for (size_t i = 0; i < m->n_operators; i++) {
        const Flinc__OperatorSnapshot *o = m->operators[i];
        if (o->operator_id.len != ID_BYTES) {
            return bad(err, o, "an id that is none");
        }
        if (o->parallelism == 0 || o->parallelism > o->max_parallelism ||
            o->max_parallelism > MAX_PARALLELISM_LIMIT) {
            return bad(err, o, "a parallelism that there is not");
        }
        for (size_t k = 0; k < o->n_subtasks; k++) {
            TRY(check_subtask(o, o->subtasks[k], err));
        }
    }
    return 0;
}
