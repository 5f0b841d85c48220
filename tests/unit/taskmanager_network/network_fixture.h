/* What the network tests share: workers (a registry and a network each) joined by socket pairs or real TCP
 * sockets, producing and consuming subtasks on the caller's thread, and waiting for events with a limit. */
#ifndef FLINC_TESTS_NETWORK_FIXTURE_H
#define FLINC_TESTS_NETWORK_FIXTURE_H

#include "taskmanager/exchange/gate.h"
#include "taskmanager/exchange/result_partition.h"
#include "taskmanager/network/network.h"
#include "tests/unit/taskmanager_exchange/exchange_fixture.h"

enum { TEST_TIMEOUT_MS = 60000 };

/* A listening socket and a thread that does the task manager's part: reads the hello, checks it, hands the
 * socket to the worker. */
struct test_port {
    int fd;
    uint32_t port;
    pthread_t thread;
    struct network *_Atomic network; /* NULL: connections are closed */
    _Atomic uint32_t n_accepted;
    /* Tests that put themselves in between: called instead of network_accept(); takes the socket. */
    void (*on_socket)(void *arg, int take_fd);
    void *arg;
};

void test_port_start(struct test_port *p, struct network *network);
void test_port_stop(struct test_port *p);

struct worker {
    struct conf conf;
    struct partition_registry *registry;
    struct metric_registry *metrics;
    struct metric_group *group;
    struct network *network;
    struct flinc_id incarnation;
    struct test_port port;
};

/* `settings`: "key=value" with a NULL behind the last; may be NULL. */
void worker_start(struct worker *w, uint8_t id, const char *const *settings);
void worker_stop(struct worker *w);
/* The value of a metric of the network, "Input.numFramesIn". */
int64_t worker_metric(const struct worker *w, const char *name);
struct data_location worker_location(const struct worker *w);

/* What on_broken and on_released were called with. */
struct input_watch {
    struct mailbox *mailbox; /* woken; may be NULL */
    _Atomic uint32_t n_broken, n_released;
    _Atomic int code;
    char text[ERROR_MESSAGE_MAX];
};

/* Sets on_broken, on_released and arg. */
void test_input_watch(struct remote_input *input, struct input_watch *watch);

struct subpartition_id test_subpartition(uint32_t producer, uint32_t subpartition);
/* A channel at `consumer` that fills from `producer`. */
struct channel *remote_channel(struct worker *consumer, const struct worker *producer,
                               struct subpartition_id id, const struct schema *schema,
                               const struct channel_options *bounds, struct input_watch *watch);
/* The producing end in the worker's registry. */
struct channel *local_channel(struct worker *w, struct subpartition_id id);

/* One producer with one channel and one consumer, both on the test's thread. */
struct line {
    struct buffer_pool *pool;
    struct schema *schema;
    struct mailbox *mailbox;
    struct result_partition *partition;
    struct gate *gate;
    struct input_watch watch;
};
void line_open(struct line *l, struct worker *producer, struct worker *consumer, uint32_t number,
               const struct channel_options *bounds);
void line_close(struct line *l);
void line_write(struct line *l, int64_t first, uint32_t n);
void line_send(struct line *l, enum element_kind kind, uint64_t value);
/* Waits for the next element. */
struct element line_take(struct line *l);
/* Waits until the channels take more. */
void line_wait_writable(struct line *l);

/* Waits until `ready` holds, woken by the mailbox or after a millisecond. */
void wait_until(struct mailbox *m, bool (*ready)(void *arg), void *arg);

#endif
