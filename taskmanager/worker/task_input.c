/* What comes by a gate: batches go on to the chain; watermarks through the valve of the gate; barriers to
 * the alignment; ends count.  Thread: the task's.
 * Flink: StreamTaskNetworkInput, CheckpointedInputGate. */
#include "common/base/failpoint.h"
#include "taskmanager/worker/task.h"

static void task_push_changes(struct task *t, struct task_input *in, uint32_t changes)
{
    if ((changes & VALVE_STATUS) && !in->valve.is_idle) {
        chain_push_idle(t->chain, in->feed, false);
    }
    if (changes & VALVE_WATERMARK) {
        chain_push_watermark(t->chain, in->feed, in->valve.watermark_ms);
    }
    if ((changes & VALVE_STATUS) && in->valve.is_idle) {
        chain_push_idle(t->chain, in->feed, true);
    }
}

/* The channel brings no more data; the last one ends the feed. */
static void task_end_channel_data(struct task *t, struct task_input *in, uint32_t channel)
{
    if (in->data_ended[channel]) {
        return;
    }
    in->data_ended[channel] = true;
    in->n_data_ended++;
    task_push_changes(t, in, watermark_valve_end(&in->valve, channel));
    if (in->n_data_ended == gate_n_channels(in->gate)) {
        chain_push_end(t->chain, in->feed);
    }
}

/* A suspended job ends without an end of its input. */
static int task_end_channel(struct task *t, struct task_input *in, uint32_t channel,
                            struct error *err)
{
    in->ended = gate_has_ended(in->gate);
    if (t->checkpoints.stop_id == 0 || PLANTED("suspended_input_ends")) {
        task_end_channel_data(t, in, channel);
    }
    return task_on_channel_end(t, in, channel, err);
}

int task_on_element(struct task *t, struct task_input *in, struct element *take_element,
                    struct error *err)
{
    uint32_t channel = take_element->channel;
    switch (take_element->kind) {
    case ELEMENT_BATCH:
        metric_counter_add(&t->in.n_records, take_element->batch->n_sel);
        metric_counter_add(&t->in.n_bytes, take_element->payload_bytes);
        metric_counter_add(&t->in.n_batches, 1);
        chain_push(t->chain, in->feed, take_element->batch);
        return 0;
    case ELEMENT_WATERMARK:
        task_push_changes(t, in,
                          watermark_valve_advance(&in->valve, channel, take_element->timestamp_ms));
        return 0;
    case ELEMENT_WATERMARK_STATUS:
        task_push_changes(
            t, in,
            watermark_valve_set_idle(&in->valve, channel, take_element->flags & ELEMENT_FLAG_IDLE));
        return 0;
    case ELEMENT_BARRIER:
        return task_on_barrier(t, in, take_element, err);
    case ELEMENT_END_OF_DATA:
        task_end_channel_data(t, in, channel);
        return 0;
    case ELEMENT_END_OF_PARTITION:
        return task_end_channel(t, in, channel, err);
    case ELEMENT_LATENCY_MARKER:
        chain_push_marker(t->chain, in->feed, take_element->marker);
        return 0;
    default: {
        const char *name = element_kind_name((enum element_kind)take_element->kind);
        element_drop(take_element);
        return error_set(err, ERR_INTERNAL, "tasks do not process elements of kind %s", name);
    }
    }
}
