/* See host_fixture.h. */
#include "tests/unit/taskmanager_host/host_fixture.h"
#include "common/digest/sha256.h"
#include "proto/builder.pb-c.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int count_fds(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}

void build_path(char *ret, size_t size, const char *below)
{
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    assert_true(n > 0);
    self[n] = '\0';
    for (int i = 0; i < 3; i++) { /* <build>/tests/unit/<test> */
        *strrchr(self, '/') = '\0';
    }
    (void)snprintf(ret, size, "%.4000s/%s", self, below);
}

/* ---- the task manager ---------------------------------------------------------------------------- */

static void *loop_main(void *arg)
{
    (void)!loop_run(arg, NULL);
    return NULL;
}

int fixture_open(void **state)
{
    struct fixture *f = MEM_NEW(struct fixture);
    f->fds_before = count_fds();
    f->threads_before = thread_count();
    /* In a build with sanitizers they would answer the signals that the worker's report is for. */
    (void)setenv("ASAN_OPTIONS", "handle_segv=0:handle_sigbus=0:handle_sigfpe=0:handle_abort=0", 1);
    assert_int_equal(spawner_fork("test-spawner", &f->spawner, NULL), 0);
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/flinc-host-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    conf_init(&f->conf, NULL);
    f->component = component_new(
        &(struct component_options){.name = "test", .mode = COMPONENT_MANUAL, .owner = f});
    assert_int_equal(component_start(f->component, NULL), 0);
    assert_int_equal(loop_new(&(struct loop_options){.name = "io"}, &f->loop, NULL), 0);
    assert_int_equal(thread_start(&f->loop_thread, "io", loop_main, f->loop, NULL), 0);
    assert_int_equal(
        executor_new(&(struct executor_options){.name = "ex", .n_threads = 2}, &f->executor, NULL),
        0);
    build_path(f->bundle, sizeof(f->bundle), "tests/unit/taskmanager_host/worker_host_bundle.so");
    *state = f;
    return 0;
}

static void remove_dir(const char *path)
{
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char file[512];
        (void)snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
        if (e->d_name[0] != '.') {
            (void)unlink(file);
        }
    }
    closedir(dir);
    assert_int_equal(rmdir(path), 0);
}

int fixture_close(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < f->n_hosts; i++) {
        worker_host_free(f->hosts[i].host);
        assert_int_equal(rmdir(f->hosts[i].work_dir), 0); /* it has removed blobs/ */
    }
    f->spawner = spawner_free(f->spawner);
    executor_free(f->executor);
    loop_stop(f->loop);
    thread_join(f->loop_thread);
    component_free(f->component);
    loop_free(f->loop);
    conf_fini(&f->conf);
    remove_dir(f->dir); /* logs only */
    assert_int_equal(thread_count(), f->threads_before);
    assert_int_equal(count_fds(), f->fds_before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    mem_free(f);
    return 0;
}

static int fetch_blob(void *owner, const uint8_t hash[32], uint64_t offset, struct str *ret_data,
                      uint64_t *ret_total, struct cancel_token *cancel, struct error *err)
{
    struct fixture *f = ((struct fixture_host *)owner)->fixture;
    char piece[64 * 1024];
    struct stat st;
    int fd = open(f->bundle, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) != 0) {
        return error_set_errno(err, errno, "opening %s", f->bundle);
    }
    ssize_t n = pread(fd, piece, sizeof(piece), (off_t)offset);
    close(fd);
    if (f->damage_blobs && offset == 0) {
        piece[100] ^= 1;
    }
    str_append(ret_data, piece, (size_t)n);
    *ret_total = (uint64_t)st.st_size;
    __atomic_add_fetch(&f->n_fetched, 1, __ATOMIC_RELAXED);
    return 0;
}

/* ---- the job master's channel, through the host --------------------------------------------------- */

struct passed {
    struct run_link *link;
    size_t size; /* SIZE_MAX: the link is closed */
    uint8_t bytes[];
};

static void op_pass(void *owner, void *payload)
{
    struct fixture *f = owner;
    struct passed *p = payload;
    struct fixture_host *h = &f->hosts[p->link->index];
    const struct flinc_id *job_id = &p->link->run->job_id;
    if (p->size == SIZE_MAX) {
        worker_host_close_link(h->host, job_id, "the job master closed it");
    } else {
        worker_host_send(h->host, job_id, &h->incarnation, p->bytes, p->size);
    }
    mem_free(p);
}

static void link_pass(struct run_link *link, const uint8_t *bytes, size_t size)
{
    struct passed *p = mem_alloc(sizeof(*p) + (size == SIZE_MAX ? 0 : size));
    p->link = link;
    p->size = size;
    if (size != SIZE_MAX) {
        memcpy(p->bytes, bytes, size);
    }
    struct component *c = link->run->fixture->component;
    if (component_post(c, MAILBOX_LANE_DATA, 0, op_pass, p, mem_free) < 0) {
        mem_free(p);
    }
}

static int bridge_send(void *transport, const uint8_t *bytes, size_t size, struct error *err)
{
    link_pass(transport, bytes, size);
    return 0;
}

static void bridge_close(void *transport)
{
    link_pass(transport, NULL, SIZE_MAX);
}

static void bridge_free(void *transport)
{
    struct run_link *link = transport;
    __atomic_store_n(&link->channel, NULL, __ATOMIC_SEQ_CST);
}

static const struct rpc_transport_ops bridge_ops = {
    .name = "bridge", .send = bridge_send, .close = bridge_close, .free = bridge_free};

/* ---- what the host tells ------------------------------------------------------------------------- */

/* Slots go round the hosts, when all their workers are ready. */
static void run_offer(struct job_run *r)
{
    uint32_t n_hosts = r->fixture->n_hosts;
    for (uint32_t i = 0; i < n_hosts; i++) {
        if (__atomic_load_n(&r->links[i].channel, __ATOMIC_SEQ_CST) == NULL) {
            return;
        }
    }
    while (r->n_offered < r->n_declared) {
        struct slot slot = {.worker = r->n_offered % n_hosts};
        struct rng rng;
        rng_init_system(&rng);
        id_random(&slot.allocation_id, &rng);
        r->n_offered++;
        jobmaster_offer_slots(r->master, &slot, 1);
    }
}

static void on_ready(void *owner, const struct flinc_id *job_id, const struct flinc_id *incarnation)
{
    struct fixture_host *h = owner;
    struct fixture *f = h->fixture;
    struct job_run *r = f->run;
    f->n_ready++;
    h->incarnation = *incarnation;
    if (r == NULL || !id_eq(job_id, &r->job_id)) {
        return;
    }
    struct run_link *link = &r->links[h->index];
    struct rpc_end_options end;
    struct rpc_channel *channel = NULL;
    char location[128], id[ID_HEX_LEN + 1], tm_id[16];
    worker_host_open_link(h->host, job_id, &r->token);
    jobmaster_get_end(r->master, h->index, &end);
    assert_int_equal(rpc_channel_new(&end, &bridge_ops, link, &channel, NULL), 0);
    link->channel = channel;
    id_format(incarnation, id);
    (void)snprintf(location, sizeof(location), "%s/%s", worker_host_data_address(h->host), id);
    (void)snprintf(tm_id, sizeof(tm_id), "tm-%u", h->index);
    const struct worker_place place = {.tm_id = tm_id,
                                       .host = "127.0.0.1",
                                       .endpoint = worker_host_data_address(h->host),
                                       .data_location = location};
    jobmaster_add_worker(r->master, h->index, &place, channel);
    run_offer(r);
}

static void on_message(void *owner, const struct flinc_id *job_id,
                       const struct flinc_id *incarnation, const uint8_t *bytes, size_t size)
{
    struct fixture_host *h = owner;
    struct fixture *f = h->fixture;
    f->n_messages++;
    assert_true(id_eq(incarnation, &h->incarnation));
    if (f->run != NULL && f->run->links[h->index].channel != NULL) {
        (void)!rpc_channel_deliver(f->run->links[h->index].channel, bytes, size, NULL);
    }
}

static void on_gone(void *owner, const struct flinc_id *job_id, const struct flinc_id *incarnation,
                    const struct error *why)
{
    struct fixture_host *h = owner;
    struct fixture *f = h->fixture;
    f->n_gone++;
    error_copy(&f->why, why);
    if (f->run != NULL && f->run->links[h->index].channel != NULL) {
        rpc_channel_peer_closed(f->run->links[h->index].channel, why);
    }
}

void fixture_start_host(struct fixture *f, const char *taskworker_path)
{
    char path[4200];
    struct error err = ERROR_INIT;
    struct fixture_host *h = &f->hosts[f->n_hosts];
    h->fixture = f;
    h->index = f->n_hosts++;
    (void)snprintf(h->work_dir, sizeof(h->work_dir), "%s/tm-%u", f->dir, h->index);
    assert_int_equal(mkdir(h->work_dir, 0700), 0);
    build_path(path, sizeof(path), "libexec/flinc-taskworker");
    const struct worker_host_options options = {
        .conf = &f->conf,
        .component = f->component,
        .loop = f->loop,
        .io_executor = f->executor,
        .spawner = f->spawner,
        .tm_id = "tm-1",
        .host = "127.0.0.1",
        .work_dir = h->work_dir,
        .log_dir = f->dir,
        .taskworker_path = taskworker_path != NULL ? taskworker_path : path,
        .bind_host = "127.0.0.1",
        .fetch_blob = fetch_blob,
        .callbacks = {on_ready, on_message, on_gone},
        .owner = h,
    };
    if (worker_host_new(&options, &h->host, &err) < 0) {
        fail_msg("%s", err.message);
    }
    f->host = f->hosts[0].host;
}

void fixture_until(struct fixture *f, bool (*fn)(void *arg), void *arg)
{
    struct event_count *event = mailbox_event(component_mailbox(f->component));
    int64_t deadline_ns = clock_monotonic_ns(&clock_system) + INT64_C(60000000000);
    while (!fn(arg)) {
        uint32_t ticket = event_count_prepare(event);
        if (component_run_until_idle(f->component, 0) > 0) {
            event_count_cancel(event);
            continue;
        }
        int64_t now_ns = clock_monotonic_ns(&clock_system);
        if (now_ns >= deadline_ns) {
            fail_msg("waited in vain");
        }
        int64_t next_ns = component_next_deadline_ns(f->component);
        int64_t left_ns = MIN(deadline_ns, next_ns) - now_ns;
        (void)event_count_wait(event, ticket, MAX(left_ns, (int64_t)0));
    }
}

bool fixture_is_ready(void *arg)
{
    return ((struct fixture *)arg)->n_ready > 0;
}

bool fixture_is_gone(void *arg)
{
    return ((struct fixture *)arg)->n_gone > 0;
}

/* The child of the spawner whose name is the worker's. */
pid_t fixture_worker_pid(struct fixture *f)
{
    pid_t found = 0;
    DIR *dir = opendir("/proc");
    char job[ID_HEX_LEN + 1];
    id_format(&f->run->job_id, job);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        char path[300], line[256] = "";
        (void)snprintf(path, sizeof(path), "/proc/%s/cmdline", e->d_name);
        int fd = atoi(e->d_name) > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        if (fd < 0) {
            continue;
        }
        ssize_t n = read(fd, line, sizeof(line) - 1);
        close(fd);
        if (n > (ssize_t)sizeof("flinc-taskworker") && strcmp(line, "flinc-taskworker") == 0 &&
            strcmp(line + sizeof("flinc-taskworker"), job) == 0) {
            found = (pid_t)atoi(e->d_name);
        }
    }
    closedir(dir);
    return found;
}

/* ---- jobs ---------------------------------------------------------------------------------------- */

static void write_full(int fd, const void *data, size_t size)
{
    assert_int_equal(write(fd, data, size), size);
}

static void read_full(int fd, void *data, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = read(fd, (char *)data + done, size - done);
        assert_true(n > 0);
        done += (size_t)n;
    }
}

static Flinc__BuildAnswer *ask_builder(const Flinc__BuildRequest *request)
{
    int fds[2];
    char path[4200];
    build_path(path, sizeof(path), "libexec/flinc-jobbuilder");
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)dup2(open("/dev/null", O_WRONLY), 4);
        (void)dup2(fds[1], 3);
        (void)execl(path, "flinc-jobbuilder", (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    uint32_t size = (uint32_t)flinc__build_request__get_packed_size(request);
    uint8_t *bytes = mem_alloc(size);
    flinc__build_request__pack(request, bytes);
    write_full(fds[0], &size, sizeof(size));
    write_full(fds[0], bytes, size);
    mem_free(bytes);
    read_full(fds[0], &size, sizeof(size));
    bytes = mem_alloc(size + 1);
    read_full(fds[0], bytes, size);
    Flinc__BuildAnswer *answer = flinc__build_answer__unpack(NULL, size, bytes);
    mem_free(bytes);
    close(fds[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_non_null(answer);
    return answer;
}

static void hash_file(const char *path, uint8_t ret_hash[32])
{
    struct sha256 *sha = sha256_new();
    char piece[64 * 1024];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (ssize_t n; (n = read(fd, piece, sizeof(piece))) > 0;) {
        sha256_add(sha, piece, (size_t)n);
    }
    close(fd);
    sha256_end(sha, ret_hash);
    sha256_free(sha);
}

void run_hash_blob(struct job_run *r)
{
    hash_file(r->fixture->bundle, r->hash);
    for (size_t i = 0; i < r->graph->n_libraries; i++) {
        Flinc__Library *l = r->graph->libraries[i];
        free(l->content_hash.data);
        l->content_hash.data = malloc(sizeof(r->hash));
        l->content_hash.len = sizeof(r->hash);
        memcpy(l->content_hash.data, r->hash, sizeof(r->hash));
    }
}

void run_build(struct fixture *f, struct job_run *r, const char *mode, const char *n)
{
    Flinc__BuildRequest request = FLINC__BUILD_REQUEST__INIT;
    char *args[] = {(char *)(uintptr_t)mode, (char *)(uintptr_t)n};
    *r = (struct job_run){.fixture = f};
    for (uint32_t i = 0; i < FIXTURE_HOSTS_MAX; i++) {
        r->links[i] = (struct run_link){.run = r, .index = i};
    }
    request.bundle_path = f->bundle;
    request.bundle_name = (char *)(uintptr_t) "bundle.so";
    request.args = args;
    request.n_args = 2;
    request.parallelism = 2;
    Flinc__BuildAnswer *answer = ask_builder(&request);
    if (answer->error != NULL && answer->error->code != 0) {
        fail_msg("%s", answer->error->message);
    }
    r->graph = flinc__job_graph__unpack(NULL, answer->graph.len, answer->graph.data);
    flinc__build_answer__free_unpacked(answer, NULL);
    assert_non_null(r->graph);
    run_hash_blob(r);
    flinc__blob_ref__init(&r->blob);
    r->blob.name = (char *)(uintptr_t) "bundle.so";
    r->blob.content_hash = (ProtobufCBinaryData){sizeof(r->hash), r->hash};
    r->blobs[0] = &r->blob;
    memcpy(r->job_id.bytes, r->graph->job_id.data, sizeof(r->job_id.bytes));
    f->run = r;
}

static void run_start_worker(struct job_run *r, uint32_t index)
{
    struct error err = ERROR_INIT;
    const struct worker_job job = {
        .job_id = r->job_id,
        .master_token = r->token,
        .name = r->graph->name,
        .blobs = r->blobs,
        .n_blobs = 1,
        .budget = r->budget,
    };
    r->links[index].started = true;
    if (worker_host_start_job(r->fixture->hosts[index].host, &job, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

static void op_declared(void *owner, void *payload)
{
    struct fixture *f = owner;
    struct job_run *r = f->run;
    if (r == NULL) {
        return;
    }
    r->n_declared = (uint32_t)(uintptr_t)payload;
    for (uint32_t i = 0; r->n_declared > 0 && i < f->n_hosts; i++) {
        if (!r->links[i].started) {
            run_start_worker(r, i);
        }
    }
    run_offer(r);
}

static void slots_declare(void *arg, struct jobmaster *jm,
                          const struct slot_requirement *requirements, uint32_t n_kinds)
{
    uint32_t n_slots = requirements[0].n_slots;
    struct job_run *r = arg;
    (void)!component_post(r->fixture->component, MAILBOX_LANE_DATA, 0, op_declared,
                          (void *)(uintptr_t)n_slots, NULL);
}

static void slots_release(void *arg, struct jobmaster *jm, const struct slot *slot)
{
}

static void op_nothing(void *owner, void *payload)
{
}

static void on_terminal(void *owner, enum job_status status, const struct error *cause)
{
    struct job_run *r = owner;
    r->status = status;
    if (cause != NULL) {
        error_copy(&r->cause, cause);
    }
    __atomic_store_n(&r->ended, true, __ATOMIC_SEQ_CST);
    (void)!component_post(r->fixture->component, MAILBOX_LANE_DATA, 0, op_nothing, NULL, NULL);
}

void run_start(struct job_run *r)
{
    struct error err = ERROR_INIT;
    struct rng rng;
    rng_init_system(&rng);
    id_random(&r->token, &rng);
    r->slots = (struct slot_provider){r, slots_declare, slots_release};
    const struct jobmaster_options options = {
        .graph = r->graph,
        .conf = &r->fixture->conf,
        .mode = COMPONENT_THREAD,
        .io_executor = r->fixture->executor,
        .fencing_token = r->token,
        .slots = &r->slots,
        .on_terminal = on_terminal,
        .owner = r,
    };
    if (jobmaster_new(&options, &r->master, &err) < 0 || jobmaster_start(r->master, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

static bool run_has_ended(void *arg)
{
    struct job_run *r = arg;
    return __atomic_load_n(&r->ended, __ATOMIC_SEQ_CST);
}

void run_wait(struct job_run *r)
{
    fixture_until(r->fixture, run_has_ended, r);
}

struct wanted {
    const char *name;
    int64_t value;
};

static void pick_accumulator(void *arg, const Flinc__Accumulator *sum)
{
    struct wanted *w = arg;
    if (strcmp(sum->name, w->name) == 0) {
        w->value = sum->long_value;
    }
}

int64_t run_accumulator(struct job_run *r, const char *name)
{
    struct wanted w = {name, -1};
    jobmaster_each_accumulator(r->master, pick_accumulator, &w);
    return w.value;
}

void run_free(struct job_run *r)
{
    jobmaster_free(r->master);
    (void)component_run_until_idle(r->fixture->component, 0);
    r->fixture->run = NULL;
    flinc__job_graph__free_unpacked(r->graph, NULL);
}
