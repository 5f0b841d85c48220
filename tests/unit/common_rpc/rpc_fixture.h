/* Two ends that speak the control protocol: a master and a worker, each with a mailbox stepped by
 * hand.  What they receive is written down as text. */
#ifndef FLINC_TESTS_RPC_FIXTURE_H
#define FLINC_TESTS_RPC_FIXTURE_H

#include "common/base/failpoint.h"
#include "common/base/str.h"
#include "common/rpc/channel.h"
#include "common/rpc/transport.h"
#include "proto/control.pb-c.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct end {
    struct mailbox *mailbox;
    struct rpc_channel *channel;
    struct str log; /* "cancel 3;closed -21;" */
};

struct fixture {
    struct end master, worker;
};

static void master_on_message(void *target, ProtobufCMessage *message)
{
    struct end *e = target;
    Flinc__WorkerToMaster *m = (Flinc__WorkerToMaster *)message;
    str_printf(&e->log, "%s;",
               m->body_case == FLINC__WORKER_TO_MASTER__BODY_SHUTDOWN_DONE ? "done" : "other");
    rpc_message_free(message);
}

static void worker_on_message(void *target, ProtobufCMessage *message)
{
    struct end *e = target;
    Flinc__MasterToWorker *m = (Flinc__MasterToWorker *)message;
    str_printf(&e->log, "%u %s;", m->version,
               m->body_case == FLINC__MASTER_TO_WORKER__BODY_SHUTDOWN ? m->shutdown->reason
                                                                      : "other");
    rpc_message_free(message);
}

static void end_on_closed(void *target, const struct error *why)
{
    struct end *e = target;
    str_printf(&e->log, "closed %s;", error_code_name(why->code));
}

static struct rpc_end_options master_options(struct fixture *f)
{
    return (struct rpc_end_options){.name = "master",
                                    .sends = &flinc__master_to_worker__descriptor,
                                    .receives = &flinc__worker_to_master__descriptor,
                                    .mailbox = f->master.mailbox,
                                    .lane = MAILBOX_LANE_CONTROL,
                                    .message_kind = 1,
                                    .closed_kind = 2,
                                    .on_message = master_on_message,
                                    .on_closed = end_on_closed,
                                    .target = &f->master};
}

static struct rpc_end_options worker_options(struct fixture *f)
{
    return (struct rpc_end_options){.name = "worker",
                                    .sends = &flinc__worker_to_master__descriptor,
                                    .receives = &flinc__master_to_worker__descriptor,
                                    .mailbox = f->worker.mailbox,
                                    .lane = MAILBOX_LANE_CONTROL,
                                    .message_kind = 3,
                                    .closed_kind = 4,
                                    .on_message = worker_on_message,
                                    .on_closed = end_on_closed,
                                    .target = &f->worker};
}

static void fixture_init(struct fixture *f, uint32_t mailbox_limit)
{
    *f = (struct fixture){.master = {.log = STR_INIT}};
    f->master.mailbox = mailbox_new(&(struct mailbox_options){.name = "master"});
    f->worker.mailbox =
        mailbox_new(&(struct mailbox_options){.name = "worker", .limit = mailbox_limit});
}

static void fixture_connect(struct fixture *f, const struct rpc_interceptor *interceptor)
{
    struct rpc_end_options m = master_options(f), w = worker_options(f);
    assert_int_equal(
        rpc_memory_pair(&m, &w, interceptor, &f->master.channel, &f->worker.channel, NULL), 0);
}

static void fixture_fini(struct fixture *f)
{
    rpc_channel_free(f->master.channel);
    rpc_channel_free(f->worker.channel);
    mailbox_close(f->master.mailbox);
    mailbox_close(f->worker.mailbox);
    mailbox_unref(f->master.mailbox);
    mailbox_unref(f->worker.mailbox);
    str_fini(&f->master.log);
    str_fini(&f->worker.log);
}

static int send_shutdown(struct fixture *f, uint32_t version, const char *reason, struct error *err)
{
    Flinc__Shutdown shutdown = FLINC__SHUTDOWN__INIT;
    shutdown.reason = (char *)reason;
    Flinc__MasterToWorker m = FLINC__MASTER_TO_WORKER__INIT;
    m.version = version;
    m.body_case = FLINC__MASTER_TO_WORKER__BODY_SHUTDOWN;
    m.shutdown = &shutdown;
    return rpc_channel_send(f->master.channel, &m.base, err);
}

static inline int send_done(struct fixture *f, struct error *err)
{
    Flinc__ShutdownDone done = FLINC__SHUTDOWN_DONE__INIT;
    Flinc__WorkerToMaster m = FLINC__WORKER_TO_MASTER__INIT;
    m.body_case = FLINC__WORKER_TO_MASTER__BODY_SHUTDOWN_DONE;
    m.shutdown_done = &done;
    return rpc_channel_send(f->worker.channel, &m.base, err);
}

static void expect_log(struct end *e, const char *want)
{
    mailbox_run(e->mailbox, SIZE_MAX);
    assert_string_equal(str_cstr(&e->log), want);
    str_clear(&e->log);
}

#endif
