/* Messages that make no sense are refused, each for its reason. */
#include "tests/unit/engine_snapshot/fixture.h"
#include "tests/unit/engine_snapshot/metadata_maker.h"

#include "engine/snapshot/metadata_format.h"

#define REFUSED(change, part)                                                      \
    do {                                                                           \
        struct error err = ERROR_INIT;                                             \
        Flinc__CheckpointMetadata *m = make_metadata();                            \
        Flinc__OperatorSnapshot *o = add_operator(m, 1, "Count", 2, 128);          \
        Flinc__SubtaskSnapshot *s = add_subtask(o, 1);                             \
        Flinc__KeyedHandle *k = add_keyed(o, s, "");                               \
        Flinc__SharedFiles *f = add_files(k, "file:/c/shared/f");                  \
        Flinc__OperatorStateHandle *l =                                            \
            add_list(s, "l", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT, 2); \
        (void)k;                                                                   \
        (void)f;                                                                   \
        (void)l;                                                                   \
        assert_ok(metadata_validate(m, &ok_err));                                  \
        change;                                                                    \
        check_error(metadata_validate(m, &err), ERR_CORRUPT, &err, part);          \
        flinc__checkpoint_metadata__free_unpacked(m, NULL);                        \
    } while (0)

static void what_is_refused(void **state)
{
    (void)state;
    REFUSED(m->version = CHECKPOINT_METADATA_VERSION + 1, "version");
    REFUSED(m->job_id.len = 15, "job");
    REFUSED(m->kind = (Flinc__CheckpointKind)9, "kind");
    REFUSED(o->operator_id.len = 4, "'Count': an id");
    REFUSED(o->parallelism = 0, "parallelism");
    REFUSED(o->max_parallelism = 1, "parallelism");
    REFUSED(o->max_parallelism = 40000, "parallelism");
    REFUSED(s->subtask = 2, "subtask");
    REFUSED(k->last_group = 128, "key groups");
    REFUSED(k->first_group = k->last_group + 1, "key groups");
    REFUSED(k->segments[0]->last_group = 128, "key groups");
    REFUSED(k->segments[0]->blob->size++, "size");
    REFUSED(f->last_group = 128, "key groups");
    REFUSED(f->first_group = f->last_group + 1, "key groups");
    REFUSED(f->files[0]->name[0] = '/', "name");
    REFUSED(f->files[0]->name[0] = '\0', "name");
    REFUSED(memcpy(f->files[0]->name, "..", 3), "name");
    REFUSED(f->files[0]->blob->size++, "check sums");
    REFUSED(f->files[0]->n_block_crcs--, "check sums");
    REFUSED(f->files[0]->blob->size = UINT64_MAX, "check sums");
    REFUSED(f->files[0]->blob->offset = 1, "section");
    REFUSED((f->files[0]->blob->merged_since = 4, f->files[0]->blob->shared = false), "section");
    REFUSED((f->files[0]->blob->merged_since = 4, f->files[0]->blob->offset = UINT64_MAX),
            "behind every file");
    REFUSED(l->blob->merged_since = 4, "section");
    REFUSED(l->blob->size++, "size");
    REFUSED(l->parts[0]->n_sizes--, "described");
    REFUSED(l->parts[0]->mode = (Flinc__OperatorStateMode)3, "described");
    REFUSED(l->parts[0]->offsets[1] = 17, "outside");
    REFUSED(l->parts[0]->sizes[1] = 9, "outside");
    REFUSED(l->parts[0]->sizes[1] = UINT64_MAX, "outside");
}

int main(void)
{
    const struct CMUnitTest tests[] = {SNAPSHOT_TEST(what_is_refused)};
    return cmocka_run_group_tests_name("metadata_validate", tests, NULL, NULL);
}
