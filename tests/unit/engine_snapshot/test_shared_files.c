/* Files of a backend in snapshots: what is uploaded and what only referred to, several at a time, failures,
 * and that nothing is left behind; downloads with damage in every block. */
#include "tests/unit/engine_snapshot/fixture.h"

#include "common/base/thread.h"
#include "engine/snapshot/merging.h"
#include "engine/snapshot/shared_files.h"

enum { BLOCK = SHARED_FILE_BLOCK_BYTES };

static char local_dir[300], shared_dir[300];
static struct file_merging *merging; /* NULL: every file by itself */

static void make_folders(void)
{
    snprintf(local_dir, sizeof(local_dir), "%s/local", fixture_dir);
    snprintf(shared_dir, sizeof(shared_dir), "%s/shared", fixture_dir);
    assert_ok(fs_mkdirs(local_dir, &ok_err));
    assert_ok(fs_mkdirs(shared_dir, &ok_err));
}

static int setup_folders(void **state)
{
    int rc = setup(state);
    make_folders();
    return rc;
}

#define FILES_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup_folders, teardown)

static void wake(void *arg)
{
    event_count_signal(arg);
}

static struct snapshot_target *target_of(uint64_t checkpoint_id, struct executor *executor,
                                         struct event_count *event)
{
    Flinc__CheckpointLocation l = location_in_dir(100);
    l.shared_directory = shared_dir;
    return snapshot_target_new(&(struct snapshot_target_options){.location = &l,
                                                                 .checkpoint_id = checkpoint_id,
                                                                 .owner = "aabb-3-1",
                                                                 .executor = executor,
                                                                 .merging = merging,
                                                                 .wake = event ? wake : NULL,
                                                                 .wake_arg = event});
}

/* ---- local files ------------------------------------------------------------------------------- */

struct local_file {
    char path[400], name[64];
    struct shared_file_source source;
};

static uint8_t byte_of(uint64_t id, uint64_t at)
{
    return (uint8_t)(id * 131 + at * 7 + (at >> 12));
}

static void make_local(struct local_file *f, uint64_t id, uint64_t size)
{
    struct fs_output *out = NULL;
    uint8_t *bytes = mem_alloc(size + 1);
    snprintf(f->name, sizeof(f->name), "%06llu.sst", (unsigned long long)id);
    snprintf(f->path, sizeof(f->path), "%s/%s", local_dir, f->name);
    for (uint64_t i = 0; i < size; i++) {
        bytes[i] = byte_of(id, i);
    }
    assert_ok(fs_create(f->path, FS_OVERWRITE, &out, &ok_err));
    assert_ok(fs_output_write(out, bytes, size, &ok_err));
    assert_ok(fs_output_close(&out, &ok_err));
    mem_free(bytes);
    f->source = (struct shared_file_source){id, f->path, f->name, size, (uint32_t)id % 3};
}

static void check_local(const char *path, uint64_t id, uint64_t size)
{
    struct fs_input *in = NULL;
    size_t n = 0;
    assert_ok(fs_open(path, FS_ACCESS_SEQUENTIAL, &in, &ok_err));
    assert_int_equal(fs_input_size(in), size);
    uint8_t *bytes = mem_alloc(size + 1);
    assert_ok(fs_input_read_at(in, 0, bytes, size, &n, &ok_err));
    assert_int_equal(n, size);
    for (uint64_t i = 0; i < size; i++) {
        assert_int_equal(bytes[i], byte_of(id, i));
    }
    mem_free(bytes);
    fs_input_close(in);
}

/* ---- uploads ----------------------------------------------------------------------------------- */

struct snapshot {
    struct shared_files *files;
    struct shared_file_source sources[16];
    uint32_t n;
    uint64_t checkpoint_id;
    Flinc__CheckpointKind kind;
    struct executor *executor;
    struct event_count event;
};

static void add(struct snapshot *s, const struct local_file *f)
{
    s->sources[s->n++] = f->source;
}

static int start(struct snapshot *s, struct shared_upload **ret, struct error *err)
{
    struct snapshot_target *t =
        target_of(s->checkpoint_id, s->executor, s->executor != NULL ? &s->event : NULL);
    /* Two sets where there are two files: partitions. */
    uint32_t n_first = s->n > 1 ? 1 : s->n;
    const struct shared_file_set sets[] = {{0, 9, s->sources, n_first},
                                           {10, 19, s->sources + n_first, s->n - n_first}};
    const struct shared_upload_options options = {.target = t,
                                                  .checkpoint_id = s->checkpoint_id,
                                                  .kind = s->kind,
                                                  .n_threads = 3,
                                                  .sets = sets,
                                                  .n_sets = s->n > 1 ? 2 : 1};
    int rc = shared_upload_start(s->files, &options, ret, err);
    snapshot_target_unref(t);
    return rc;
}

static int upload(struct snapshot *s, Flinc__KeyedHandle *handle, struct error *err)
{
    struct shared_upload *u = NULL;
    flinc__keyed_handle__init(handle);
    int rc = start(s, &u, err);
    if (rc < 0) {
        return rc;
    }
    for (;;) {
        uint32_t ticket = event_count_prepare(&s->event);
        if (shared_upload_has_ended(u)) {
            event_count_cancel(&s->event);
            break;
        }
        (void)event_count_wait(&s->event, ticket, 100 * 1000 * 1000);
    }
    rc = shared_upload_poll(u, handle, err);
    shared_upload_free(u);
    return rc;
}

static void upload_ok(struct snapshot *s, Flinc__KeyedHandle *handle)
{
    struct error err = ERROR_INIT;
    int rc = upload(s, handle, &err);
    if (rc != 1) {
        fail_msg("%s", err.message);
    }
}

static Flinc__SharedFile *file_at(const Flinc__KeyedHandle *h, uint32_t i)
{
    size_t n_first = h->files[0]->n_files;
    return i < n_first ? h->files[0]->files[i] : h->files[1]->files[i - n_first];
}

static void handle_clear(Flinc__KeyedHandle *h)
{
    for (size_t i = 0; i < h->n_files; i++) {
        flinc__shared_files__free_unpacked(h->files[i], NULL);
    }
    mem_free(h->files);
}

/* Downloads all of it into a new folder and compares. */
static int download(const Flinc__KeyedHandle *h, uint32_t n, const char *folder,
                    struct executor *executor, struct error *err)
{
    struct shared_file_wanted wanted[16];
    char paths[16][400];
    assert_ok(fs_mkdirs(folder, &ok_err));
    for (uint32_t i = 0; i < n; i++) {
        snprintf(paths[i], sizeof(paths[i]), "%s/%s", folder, file_at(h, i)->name);
        wanted[i] = (struct shared_file_wanted){file_at(h, i), paths[i]};
    }
    return shared_files_download(wanted, n,
                                 &(struct shared_download_options){.directory = fixture_dir,
                                                                   .executor = executor,
                                                                   .n_threads = 3},
                                 err);
}

static struct executor *threads(uint32_t n)
{
    struct executor *x = NULL;
    assert_ok(executor_new(&(struct executor_options){.name = "io", .n_threads = n}, &x, &ok_err));
    return x;
}

/* ---- tests ------------------------------------------------------------------------------------- */

static const uint64_t SIZES[] = {0,     1,         100,           101,      BLOCK - 1,
                                 BLOCK, BLOCK + 1, 3 * BLOCK + 5, 2 * BLOCK};
enum { N_FILES = ARRAY_LEN(SIZES) };

static void make_all(struct snapshot *s, struct local_file files[N_FILES])
{
    for (uint32_t i = 0; i < N_FILES; i++) {
        make_local(&files[i], 100 + i, SIZES[i]);
        add(s, &files[i]);
    }
}

static void what_goes_up_comes_down(void **state)
{
    (void)state;
    for (uint32_t n_threads = 0; n_threads < 4; n_threads += 3) {
        char folder[400];
        struct executor *x = n_threads > 0 ? threads(n_threads) : NULL;
        struct snapshot s = {.files = shared_files_new(), .checkpoint_id = 1, .executor = x};
        struct local_file files[N_FILES];
        Flinc__KeyedHandle h;
        make_all(&s, files);
        upload_ok(&s, &h);
        assert_int_equal(h.n_files, 2);
        assert_int_equal(h.files[1]->first_group, 10);
        assert_int_equal(files_in(shared_dir), N_FILES - 3 + (n_threads > 0 ? N_FILES - 3 : 0));
        snprintf(folder, sizeof(folder), "%s/down-%u", fixture_dir, n_threads);
        assert_ok(download(&h, N_FILES, folder, x, &ok_err));
        for (uint32_t i = 0; i < N_FILES; i++) {
            char path[500];
            const Flinc__SharedFile *file = file_at(&h, i);
            assert_int_equal(file->blob->location[0] == '\0', SIZES[i] <= 100);
            assert_int_equal(file->blob->shared, SIZES[i] > 100);
            assert_int_equal(file->n_block_crcs,
                             SIZES[i] > 100 ? (SIZES[i] + BLOCK - 1) / BLOCK : 0);
            assert_int_equal(file->flags, (100 + i) % 3);
            assert_int_equal(file->checkpoint_id, 1);
            snprintf(path, sizeof(path), "%s/%s", folder, files[i].name);
            check_local(path, 100 + i, SIZES[i]);
        }
        handle_clear(&h);
        shared_files_free(s.files);
        executor_free(x);
    }
}

/* Small ones lie in one file, or in one of each thread; damage is told by file and place. */
static void small_files_are_merged(void **state)
{
    (void)state;
    for (uint32_t n_threads = 0; n_threads < 4; n_threads += 3) {
        char folder[400];
        struct executor *x = n_threads > 0 ? threads(n_threads) : NULL;
        struct snapshot s = {.files = shared_files_new(), .checkpoint_id = 1, .executor = x};
        struct local_file files[N_FILES];
        struct error err = ERROR_INIT;
        Flinc__KeyedHandle h;
        uint32_t before = files_in(shared_dir);
        merging = file_merging_new(&(struct file_merging_options){.max_file_bytes = 64 * BLOCK,
                                                                  .max_subtasks_per_file = 1});
        make_all(&s, files);
        upload_ok(&s, &h);
        assert_in_range(files_in(shared_dir) - before, 1, MAX(n_threads, 1U));
        snprintf(folder, sizeof(folder), "%s/merged-%u", fixture_dir, n_threads);
        assert_ok(download(&h, N_FILES, folder, x, &ok_err));
        for (uint32_t i = 0; i < N_FILES; i++) {
            char path[500];
            assert_int_equal(file_at(&h, i)->blob->merged_since, SIZES[i] > 100 ? 1 : 0);
            snprintf(path, sizeof(path), "%s/%s", folder, files[i].name);
            check_local(path, 100 + i, SIZES[i]);
        }
        Flinc__StateBlob *last = file_at(&h, 7)->blob;
        last->offset += 3;
        snprintf(folder, sizeof(folder), "%s/damaged-%u", fixture_dir, n_threads);
        check_error(download(&h, N_FILES, folder, x, &err), ERR_CORRUPT, &err, last->location);
        last->offset = UINT64_MAX - 1;
        error_clear(&err);
        check_error(download(&h, N_FILES, folder, x, &err), ERR_CORRUPT, &err, last->location);
        handle_clear(&h);
        shared_files_free(s.files);
        merging = file_merging_unref(merging);
        executor_free(x);
    }
}

static void confirmed_files_are_referred_to(void **state)
{
    (void)state;
    struct snapshot s = {.files = shared_files_new(), .checkpoint_id = 1};
    struct local_file a, b, c;
    Flinc__KeyedHandle h1, h2, h3, h4;
    make_local(&a, 1, 500);
    make_local(&b, 2, 600);
    make_local(&c, 3, 700);
    add(&s, &a);
    add(&s, &b);
    upload_ok(&s, &h1);
    assert_false(shared_files_is_known(s.files, 1));
    s.checkpoint_id = 2; /* the first is not confirmed: all is written again */
    upload_ok(&s, &h2);
    assert_int_equal(files_in(shared_dir), 4);
    assert_string_not_equal(file_at(&h1, 0)->blob->location, file_at(&h2, 0)->blob->location);
    shared_files_confirm(s.files, 2);
    shared_files_confirm(s.files, 1); /* comes late: nothing */
    assert_true(shared_files_is_known(s.files, 1));
    s.checkpoint_id = 3;
    s.n = 0;
    s.sources[s.n++] = b.source;
    s.sources[0].name = "renamed";
    add(&s, &c);
    upload_ok(&s, &h3);
    assert_int_equal(files_in(shared_dir), 5);
    assert_string_equal(file_at(&h3, 0)->blob->location, file_at(&h2, 1)->blob->location);
    assert_int_equal(file_at(&h3, 0)->checkpoint_id, 2);
    assert_string_equal(file_at(&h3, 0)->name, "renamed");
    assert_int_equal(file_at(&h3, 1)->checkpoint_id, 3);
    shared_files_confirm(s.files, 3);
    /* What checkpoint 3 does not have may be gone. */
    assert_false(shared_files_is_known(s.files, 1));
    s.checkpoint_id = 4;
    s.n = 0;
    add(&s, &a);
    add(&s, &c);
    upload_ok(&s, &h4);
    assert_int_equal(file_at(&h4, 0)->checkpoint_id, 4);
    assert_int_equal(file_at(&h4, 1)->checkpoint_id, 3);
    Flinc__KeyedHandle *handles[] = {&h1, &h2, &h3, &h4};
    for (uint32_t i = 0; i < 4; i++) {
        handle_clear(handles[i]);
    }
    shared_files_free(s.files);
}

static void savepoints_and_full_ones_refer_to_nothing(void **state)
{
    (void)state;
    struct snapshot s = {.files = shared_files_new(), .checkpoint_id = 1};
    struct local_file a;
    Flinc__KeyedHandle h1, h2, h3, h4;
    make_local(&a, 1, 500);
    add(&s, &a);
    upload_ok(&s, &h1);
    shared_files_confirm(s.files, 1);
    s.checkpoint_id = 2;
    s.kind = FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_NATIVE;
    upload_ok(&s, &h2);
    assert_int_equal(file_at(&h2, 0)->checkpoint_id, 2);
    assert_false(file_at(&h2, 0)->blob->shared);
    assert_null(strchr(file_at(&h2, 0)->blob->location, '/'));
    shared_files_confirm(s.files, 2); /* not one of the chain */
    s.checkpoint_id = 3;
    s.kind = FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL;
    upload_ok(&s, &h3);
    assert_string_equal(file_at(&h3, 0)->blob->location, file_at(&h1, 0)->blob->location);
    s.checkpoint_id = 4;
    s.kind = FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL;
    upload_ok(&s, &h4);
    assert_int_equal(file_at(&h4, 0)->checkpoint_id, 4);
    assert_false(shared_files_is_known(s.files, 1));
    shared_files_confirm(s.files, 3); /* forgotten: it has files of before */
    assert_false(shared_files_is_known(s.files, 1));
    shared_files_confirm(s.files, 4);
    assert_true(shared_files_is_known(s.files, 1));
    Flinc__KeyedHandle *handles[] = {&h1, &h2, &h3, &h4};
    for (uint32_t i = 0; i < 4; i++) {
        handle_clear(handles[i]);
    }
    shared_files_free(s.files);
}

static void restored_files_are_known(void **state)
{
    (void)state;
    struct snapshot s = {.files = shared_files_new(), .checkpoint_id = 1};
    struct local_file a;
    Flinc__KeyedHandle h1, h2;
    make_local(&a, 1, 5 * BLOCK);
    add(&s, &a);
    upload_ok(&s, &h1);
    shared_files_free(s.files);
    s.files = shared_files_new();
    s.sources[0].id = 77; /* of the new store */
    shared_files_know(s.files, 77, file_at(&h1, 0));
    s.checkpoint_id = 9;
    upload_ok(&s, &h2);
    assert_string_equal(file_at(&h2, 0)->blob->location, file_at(&h1, 0)->blob->location);
    assert_int_equal(file_at(&h2, 0)->n_block_crcs, 5);
    assert_int_equal(files_in(shared_dir), 1);
    handle_clear(&h1);
    handle_clear(&h2);
    shared_files_free(s.files);
}

/* Switched on, the bug shows by the same steps: the second checkpoint refers to a file of the first, which was given up. */
static void files_of_what_was_given_up_are_written_again(void **state)
{
    struct error err = ERROR_INIT;
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct snapshot s = {.files = shared_files_new(), .checkpoint_id = 1};
        struct local_file a;
        Flinc__KeyedHandle h1, h2;
        int rc = i == 0 ? 0 : failpoint_configure("planted.shared_files.unconfirmed=error", &err);
        assert_int_equal(rc, 0);
        make_local(&a, 1, 500);
        add(&s, &a);
        upload_ok(&s, &h1);
        s.checkpoint_id = 2;
        upload_ok(&s, &h2);
        assert_int_equal(file_at(&h2, 0)->checkpoint_id, i == 0 ? 2 : 1);
        failpoint_clear_all();
        handle_clear(&h1);
        handle_clear(&h2);
        shared_files_free(s.files);
    }
}

/* A native savepoint's files lie beside its _metadata: a checkpoint in another folder cannot refer to them. */
static void restored_files_of_a_savepoint_are_written_again(void **state)
{
    (void)state;
    struct snapshot s = {.files = shared_files_new(),
                         .checkpoint_id = 1,
                         .kind = FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_NATIVE};
    struct local_file a;
    Flinc__KeyedHandle h1, h2;
    make_local(&a, 1, 5 * BLOCK);
    add(&s, &a);
    upload_ok(&s, &h1);
    assert_false(file_at(&h1, 0)->blob->shared);
    shared_files_know(s.files, 1, file_at(&h1, 0));
    s.kind = FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL;
    s.checkpoint_id = 2;
    upload_ok(&s, &h2);
    assert_true(file_at(&h2, 0)->blob->shared);
    assert_int_equal(file_at(&h2, 0)->checkpoint_id, 2);
    handle_clear(&h1);
    handle_clear(&h2);
    shared_files_free(s.files);
}

static void failed_uploads_leave_nothing(void **state)
{
    (void)state;
    static const char *const PLACES[] = {
        "snapshot.output.create=error:planned,nth=3", "snapshot.shared.upload=error:planned,nth=4",
        "snapshot.shared.upload_block=error:planned,nth=9",
        "snapshot.shared.before_sync=error:planned,nth=2", "fs.local.sync=error:planned"};
    for (uint32_t n_threads = 0; n_threads < 4; n_threads += 3) {
        struct executor *x = n_threads > 0 ? threads(n_threads) : NULL;
        for (uint32_t i = 0; i < ARRAY_LEN(PLACES); i++) {
            struct snapshot s = {.files = shared_files_new(), .checkpoint_id = 1, .executor = x};
            struct local_file files[N_FILES];
            struct error err = ERROR_INIT;
            Flinc__KeyedHandle h;
            make_all(&s, files);
            assert_ok(failpoint_configure(PLACES[i], &ok_err));
            int rc = upload(&s, &h, &err);
            check_error(rc, ERR_IO, &err, "planned");
            check_error(rc, ERR_IO, &err, ".sst for checkpoint 1");
            failpoint_clear_all();
            shared_files_free(s.files);
        }
        executor_free(x);
        assert_int_equal(files_in(shared_dir), 0);
    }
}

static void a_local_file_that_is_wrong_is_named(void **state)
{
    (void)state;
    struct snapshot s = {.files = shared_files_new(), .checkpoint_id = 1};
    struct local_file a;
    struct error err = ERROR_INIT;
    Flinc__KeyedHandle h;
    make_local(&a, 1, 500);
    a.source.size = 501;
    add(&s, &a);
    int rc = upload(&s, &h, &err);
    check_error(rc, ERR_CORRUPT, &err, "000001.sst");
    a.source.path = "/nowhere/000001.sst";
    s.n = 0;
    add(&s, &a);
    rc = upload(&s, &h, &err);
    check_error(rc, ERR_NOT_FOUND, &err, "/nowhere/000001.sst");
    shared_files_free(s.files);
}

static void abandoned_uploads_leave_nothing(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 20; round++) {
        struct executor *x = threads(2);
        struct snapshot s = {.files = shared_files_new(), .checkpoint_id = 1, .executor = x};
        struct local_file files[N_FILES];
        struct shared_upload *u = NULL;
        make_all(&s, files);
        assert_ok(start(&s, &u, &ok_err));
        if (round % 2 == 0) {
            while (!shared_upload_has_ended(u)) {
                uint32_t ticket = event_count_prepare(&s.event);
                (void)event_count_wait(&s.event, ticket, 1000 * 1000);
            }
        }
        shared_upload_free(u);
        executor_free(x);
        shared_files_free(s.files);
        assert_int_equal(files_in(shared_dir), 0);
    }
}

static void a_closing_executor_fails_the_upload(void **state)
{
    (void)state;
    struct executor *x = threads(0); /* nobody steps it */
    struct snapshot s = {.files = shared_files_new(), .checkpoint_id = 1, .executor = x};
    struct local_file a;
    struct shared_upload *u = NULL;
    struct error err = ERROR_INIT;
    Flinc__KeyedHandle h = FLINC__KEYED_HANDLE__INIT;
    make_local(&a, 1, 500);
    add(&s, &a);
    assert_ok(start(&s, &u, &ok_err));
    assert_false(shared_upload_has_ended(u));
    assert_int_equal(shared_upload_poll(u, &h, &err), 0);
    executor_free(x);
    assert_true(shared_upload_has_ended(u));
    check_error(shared_upload_poll(u, &h, &err), ERR_CANCELLED, &err, "closing");
    shared_upload_free(u);
    shared_files_free(s.files);
}

static void the_jobmanager_takes_only_so_much(void **state)
{
    (void)state;
    Flinc__CheckpointLocation l = FLINC__CHECKPOINT_LOCATION__INIT;
    l.inline_only = true;
    l.inline_max = 1000;
    struct shared_files *f = shared_files_new();
    struct local_file a, b;
    make_local(&a, 1, 600);
    make_local(&b, 2, 401);
    for (uint32_t over = 0; over < 2; over++) {
        struct snapshot_target *t = snapshot_target_new(
            &(struct snapshot_target_options){.location = &l, .checkpoint_id = 1, .owner = "o"});
        b.source.size = 400;
        make_local(&b, 2, 400 + over);
        const struct shared_file_source sources[] = {a.source, b.source};
        const struct shared_file_set set = {0, 9, sources, 2};
        const struct shared_upload_options options = {
            .target = t, .checkpoint_id = 1, .sets = &set, .n_sets = 1};
        struct shared_upload *u = NULL;
        struct error err = ERROR_INIT;
        Flinc__KeyedHandle h = FLINC__KEYED_HANDLE__INIT;
        int rc = shared_upload_start(f, &options, &u, &err);
        if (over) {
            check_error(rc, ERR_TOO_LARGE, &err, "execution.checkpointing.dir");
        } else {
            assert_int_equal(shared_upload_poll(u, &h, &err), 1);
            assert_int_equal(file_at(&h, 1)->blob->inline_data.len, 400);
            handle_clear(&h);
        }
        shared_upload_free(u);
        snapshot_target_unref(t);
    }
    shared_files_free(f);
}

/* ---- downloads --------------------------------------------------------------------------------- */

static void flip_byte(const char *path, long at)
{
    FILE *f = fopen(path + (strncmp(path, "file:", 5) == 0 ? 5 : 0), "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, at, SEEK_SET), 0);
    int c = fgetc(f);
    assert_int_equal(fseek(f, at, SEEK_SET), 0);
    (void)fputc(c ^ 4, f);
    assert_int_equal(fclose(f), 0);
}

static void damage_names_file_and_block(void **state)
{
    (void)state;
    static const uint64_t PLACES[] = {0, BLOCK - 1, BLOCK, 2 * BLOCK + 17, 3 * BLOCK + 4};
    for (uint32_t n_threads = 0; n_threads < 4; n_threads += 3) {
        struct executor *x = n_threads > 0 ? threads(n_threads) : NULL;
        for (uint32_t i = 0; i < ARRAY_LEN(PLACES); i++) {
            struct snapshot s = {.files = shared_files_new(), .checkpoint_id = 1, .executor = x};
            struct local_file files[N_FILES];
            struct error err = ERROR_INIT;
            char folder[400], block[64];
            Flinc__KeyedHandle h;
            make_all(&s, files);
            upload_ok(&s, &h);
            const char *location = file_at(&h, 7)->blob->location;
            flip_byte(location, (long)PLACES[i]);
            snprintf(folder, sizeof(folder), "%s/down-%u-%u", fixture_dir, n_threads, i);
            int rc = download(&h, N_FILES, folder, x, &err);
            snprintf(block, sizeof(block), "its block %llu ",
                     (unsigned long long)PLACES[i] / BLOCK);
            check_error(rc, ERR_CORRUPT, &err, block);
            check_error(rc, ERR_CORRUPT, &err, location);
            assert_int_equal(files_in(folder), 0);
            handle_clear(&h);
            shared_files_free(s.files);
        }
        executor_free(x);
    }
}

static void missing_and_cut_files_are_named(void **state)
{
    (void)state;
    struct snapshot s = {.files = shared_files_new(), .checkpoint_id = 1};
    struct local_file files[N_FILES];
    struct error err = ERROR_INIT;
    char folder[400];
    Flinc__KeyedHandle h;
    make_all(&s, files);
    upload_ok(&s, &h);
    file_at(&h, 5)->blob->size--;
    snprintf(folder, sizeof(folder), "%s/cut", fixture_dir);
    int rc = download(&h, N_FILES, folder, NULL, &err);
    check_error(rc, ERR_CORRUPT, &err, file_at(&h, 5)->blob->location);
    assert_int_equal(files_in(folder), 0);
    file_at(&h, 5)->blob->size++;
    assert_ok(fs_delete(file_at(&h, 5)->blob->location, FS_DELETE_ONE, &ok_err));
    rc = download(&h, N_FILES, folder, NULL, &err);
    check_error(rc, ERR_NOT_FOUND, &err, file_at(&h, 5)->blob->location);
    assert_int_equal(files_in(folder), 0);
    handle_clear(&h);
    shared_files_free(s.files);
}

static bool cancelled_at_tenth(void *arg)
{
    return atomic_fetch_add((_Atomic uint32_t *)arg, 1) >= 10;
}

static void a_download_can_be_cancelled(void **state)
{
    (void)state;
    struct executor *x = threads(3);
    struct snapshot s = {.files = shared_files_new(), .checkpoint_id = 1, .executor = x};
    struct local_file a;
    struct error err = ERROR_INIT;
    _Atomic uint32_t asked = 0;
    char path[400];
    Flinc__KeyedHandle h;
    make_local(&a, 1, 30 * (uint64_t)BLOCK);
    add(&s, &a);
    upload_ok(&s, &h);
    snprintf(path, sizeof(path), "%s/again", local_dir);
    const struct shared_file_wanted wanted = {file_at(&h, 0), path};
    int rc =
        shared_files_download(&wanted, 1,
                              &(struct shared_download_options){.executor = x,
                                                                .directory = fixture_dir,
                                                                .is_cancelled = cancelled_at_tenth,
                                                                .arg = &asked},
                              &err);
    check_error(rc, ERR_CANCELLED, &err, "cancelled");
    assert_int_equal(fs_exists(path, NULL), 0);
    handle_clear(&h);
    shared_files_free(s.files);
    executor_free(x);
}

/* Jobs that start when the caller is gone touch nothing. */
static void a_busy_executor_does_not_hold_up_a_download(void **state)
{
    (void)state;
    struct executor *x = threads(0);
    struct snapshot s = {.files = shared_files_new(), .checkpoint_id = 1};
    struct local_file files[N_FILES];
    char folder[400];
    Flinc__KeyedHandle h;
    make_all(&s, files);
    upload_ok(&s, &h);
    snprintf(folder, sizeof(folder), "%s/busy", fixture_dir);
    assert_ok(download(&h, N_FILES, folder, x, &ok_err));
    handle_clear(&h);
    while (executor_run_once(x)) {
    }
    executor_free(x);
    shared_files_free(s.files);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILES_TEST(what_goes_up_comes_down),
        FILES_TEST(small_files_are_merged),
        FILES_TEST(confirmed_files_are_referred_to),
        FILES_TEST(savepoints_and_full_ones_refer_to_nothing),
        FILES_TEST(restored_files_are_known),
        FILES_TEST(files_of_what_was_given_up_are_written_again),
        FILES_TEST(restored_files_of_a_savepoint_are_written_again),
        FILES_TEST(failed_uploads_leave_nothing),
        FILES_TEST(a_local_file_that_is_wrong_is_named),
        FILES_TEST(abandoned_uploads_leave_nothing),
        FILES_TEST(a_closing_executor_fails_the_upload),
        FILES_TEST(the_jobmanager_takes_only_so_much),
        FILES_TEST(damage_names_file_and_block),
        FILES_TEST(missing_and_cut_files_are_named),
        FILES_TEST(a_download_can_be_cancelled),
        FILES_TEST(a_busy_executor_does_not_hold_up_a_download),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
