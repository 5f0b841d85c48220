/* StateMachine: events of many sessions are checked against a state machine, one per session.
 *
 *   flink run -t local statemachine.so --events 1000000 --wrong-per-million 10000
 *   flink run statemachine.so --events -1 --rps 1000 --error-rate 0.001 --checkpoint-dir /tmp/checkpoints
 *
 *   --events N               as many events in all; negative: for ever        100000
 *   --wrong-per-million N    sessions with one wrong event, of a million      10000, 0 with --error-rate
 *   --error-rate F           share of events that are wrong, 0 to 1           0
 *   --rps N                  events a second                                  as fast as it goes
 *   --sleep MS               or: milliseconds from one event to the next      0
 *   --output FOLDER          alerts as text files                             printed
 *   --backend NAME           of state                                         that of the configuration
 *   --checkpoint-dir PATH    takes checkpoints, into this folder              as configured
 *   --checkpoint-interval D  how often it does                                2 s
 *   --incremental-checkpoints true|false                                      as configured
 *
 *     Initial -a-> W -b-> Y -e-> Z -g-> (end)
 *     Initial -c-> X -b-> Y
 *                  X -d-> Z
 *
 * A generator makes the events, with a wrong one now and then, which it counts (accumulator `wrong`).  The
 * state of each session is keyed state; an event that its state does not allow is printed as an alert
 * (session, state, event), and the session begins anew.
 * Flink: StateMachineExample. */
#include <flinc/flinc.h>

#include <stdlib.h>

FLINC_STRUCT(event, FLINC_INT64(session), FLINC_INT32(type));
FLINC_STRUCT(alert, FLINC_INT64(session), FLINC_STRING(state), FLINC_STRING(event));

enum { INITIAL, W, X, Y, Z, N_STATES };
enum { NOT_ALLOWED = -1, END = N_STATES };
enum {
    EVENT_TYPES = 7, /* a to g */
    STEPS = 4,       /* events of one session */
    LANES = 64,      /* sessions whose events take turns */
};

static const char *const state_names[N_STATES] = {"Initial", "W", "X", "Y", "Z"};

/* The state behind an event. */
static int step(int state, int type)
{
    static const struct {
        int state;
        char type;
        int next;
    } transitions[] = {
        {INITIAL, 'a', W}, {INITIAL, 'c', X}, {W, 'b', Y},   {X, 'b', Y},
        {X, 'd', Z},       {Y, 'e', Z},       {Z, 'g', END},
    };
    for (size_t i = 0; i < sizeof(transitions) / sizeof(transitions[0]); i++) {
        if (transitions[i].state == state && transitions[i].type == 'a' + type) {
            return transitions[i].next;
        }
    }
    return NOT_ALLOWED;
}

/* ---- the generator ------------------------------------------------------------------------------ */

struct generator {
    uint64_t wrong_of_million;        /* sessions with one wrong event */
    uint64_t wrong_events_of_million; /* events that are wrong, in whatever session */
};

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* Some event that the state allows, or (`wrong`) does not. */
static int choose(int state, uint64_t random, bool wrong)
{
    int type = (int)(random % EVENT_TYPES);
    while ((step(state, type) == NOT_ALLOWED) != wrong) {
        type = (type + 1) % EVENT_TYPES;
    }
    return type;
}

/* Event number `index` follows from its number alone: so a restarted job makes the same ones. */
static int generate(flinc_ctx *ctx, int64_t index, event *out)
{
    const struct generator *g = flinc_ctx_config(ctx);
    int64_t session = index / (LANES * STEPS) * LANES + index % LANES;
    int last = (int)(index / LANES % STEPS), state = INITIAL;
    uint64_t random = mix((uint64_t)session + 1);
    int wrong_step = random % 1000000 < g->wrong_of_million ? (int)((random >> 32) % STEPS) : STEPS;
    bool wrong = false;

    for (int i = 0; i <= last; i++) {
        uint64_t r = mix(random + (uint64_t)i);
        wrong = i == wrong_step || mix(r) % 1000000 < g->wrong_events_of_million;
        out->type = choose(state, r, wrong);
        int next = step(state, out->type);
        state = next == NOT_ALLOWED || next == END ? INITIAL : next;
    }
    out->session = session;
    return wrong ? flinc_ctx_accumulate(ctx, "wrong", 1) : 0;
}

/* ---- the check ---------------------------------------------------------------------------------- */

static int open_check(flinc_ctx *ctx)
{
    flinc_ctx_set_user(
        ctx,
        flinc_ctx_value_state(ctx, FLINC_STATE(.name = "state", .type = FLINC_TYPE(flinc_int64))));
    return 0;
}

static int check(flinc_ctx *ctx, const event *in, flinc_out *out)
{
    flinc_value_state *kept = flinc_ctx_user(ctx);
    int state = (int)flinc_value_get_int64(kept, INITIAL);
    int next = step(state, in->type);

    if (next == NOT_ALLOWED) {
        char type[] = {(char)('a' + in->type), '\0'};
        FLINC_EMIT(out, alert, .session = in->session, .state = flinc_cstring(state_names[state]),
                   .event = flinc_cstring(type));
    }
    if (next == NOT_ALLOWED || next == END) {
        flinc_value_clear(kept);
        return 0;
    }
    return flinc_value_set_int64(kept, next);
}

/* ---- the job ------------------------------------------------------------------------------------ */

/* A share of one, in millionths. */
static uint64_t millionths(flinc_env *env, const char *text)
{
    char *end;
    double share = strtod(text, &end);
    if (end == text || *end != '\0' || !(share >= 0 && share <= 1)) {
        flinc_env_fail(env, "option '--error-rate': '%s' is not a number from 0 to 1", text);
        return 0;
    }
    return (uint64_t)(share * 1e6 + 0.5);
}

static double rate_of(flinc_env *env, const flinc_params *params)
{
    int64_t rps = flinc_params_int(params, "rps", 0);
    int64_t sleep_ms = flinc_params_int(params, "sleep", 0);
    if (rps < 0 || sleep_ms < 0 || (rps > 0 && sleep_ms > 0)) {
        flinc_env_fail(env, "give either '--rps' or '--sleep', and no negative number");
        return 0;
    }
    return sleep_ms > 0 ? 1000.0 / (double)sleep_ms : (double)rps;
}

/* What the options say of state and checkpoints, in front of what is configured. */
static void configure(flinc_env *env, const flinc_params *params)
{
    static const struct {
        const char *option, *key;
    } settings[] = {
        {"backend", "state.backend.type"},
        {"checkpoint-dir", "execution.checkpointing.dir"},
        {"incremental-checkpoints", "execution.checkpointing.incremental"},
    };
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        const char *value = flinc_params_get(params, settings[i].option, NULL);
        if (value != NULL) {
            flinc_env_set(env, settings[i].key, value);
        }
    }
    if (flinc_params_has(params, "checkpoint-dir") ||
        flinc_params_has(params, "checkpoint-interval")) {
        flinc_env_set(env, "execution.checkpointing.interval",
                      flinc_params_get(params, "checkpoint-interval", "2 s"));
    }
}

static int statemachine(flinc_env *env, int argc, char **argv)
{
    static const char *const options[] = {"events",
                                          "wrong-per-million",
                                          "error-rate",
                                          "rps",
                                          "sleep",
                                          "output",
                                          "backend",
                                          "checkpoint-dir",
                                          "incremental-checkpoints",
                                          "checkpoint-interval",
                                          NULL};
    flinc_params *params = flinc_params_parse(env, argc, argv, options);
    const char *output = flinc_params_get(params, "output", NULL);
    const char *error_rate = flinc_params_get(params, "error-rate", NULL);
    struct generator g = {
        .wrong_of_million =
            (uint64_t)flinc_params_int(params, "wrong-per-million", error_rate != NULL ? 0 : 10000),
        .wrong_events_of_million = error_rate != NULL ? millionths(env, error_rate) : 0};

    configure(env, params);
    flinc_stream *events = flinc_from_datagen(
        env,
        FLINC_DATAGEN(.generate = FLINC_FUNCTION(generate, .config = &g, .config_size = sizeof(g)),
                      .type = FLINC_TYPE(event),
                      .count = flinc_params_int(params, "events", 100000),
                      .rows_per_second = rate_of(env, params)));
    flinc_set_parallelism(events, 1); /* events of a session come in order */
    flinc_stream *alerts =
        flinc_flat_map(flinc_key_by(events, "session"), FLINC_FUNCTION(check, .open = open_check),
                       FLINC_TYPE(alert));
    if (output != NULL) {
        flinc_write_text(alerts, FLINC_TEXT_SINK(.path = output));
    } else {
        flinc_print(alerts);
    }
    return flinc_env_execute(env, "StateMachine");
}
FLINC_JOB(statemachine)
