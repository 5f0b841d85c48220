/* TopSpeed: of each car, every 50 metres, where it was fastest in the last 10 seconds.
 *
 *   flink run -t local topspeed.so                 two cars that drive for ever
 *   flink run -t local topspeed.so --input FILE    lines "(car,speed,distance,timestamp)"
 *
 * Speeds are km/h, distances metres since the start, timestamps milliseconds.  --output DIR: results go to
 * files; --events N: the two cars stop after N records; --rate R: records per second, 0 as fast as it goes.
 * A global window per car fires by a delta trigger, forgets by a time evictor, and gives its record with
 * the greatest speed.  Flink: TopSpeedWindowing. */
#include <flinc/flinc.h>
#include <stdio.h>
#include <string.h>

FLINC_STRUCT(car_event, FLINC_INT32(car), FLINC_INT32(speed), FLINC_DOUBLE(distance),
             FLINC_INT64(timestamp));

enum { CARS = 2, METRES = 50, KEPT_MS = 10000, STEP_MS = 1000 };
enum { SPEED_MAX = 100, SPEED_STEP = 5, CYCLE = 2 * SPEED_MAX / SPEED_STEP };

/* Cars speed up to 100 km/h and slow down again. */
static int speed_at(int64_t step)
{
    int at = (int)(step % CYCLE) * SPEED_STEP;
    return at <= SPEED_MAX ? at : 2 * SPEED_MAX - at;
}

/* Record number `index` follows from its number alone: so a restarted job makes the same ones. */
static int generate(flinc_ctx *ctx, int64_t index, car_event *out)
{
    int64_t step = index / CARS;
    int64_t kmh = 0; /* summed over all steps; each is a second long */

    (void)ctx;
    out->car = (int32_t)(index % CARS);
    int64_t first = out->car * CYCLE / 3; /* not all at the same speed */
    for (int64_t i = 0; i < CYCLE; i++) {
        kmh += speed_at(i) * (step / CYCLE);
    }
    for (int64_t i = 0; i <= step % CYCLE; i++) {
        kmh += speed_at(first + i);
    }
    out->speed = speed_at(first + step);
    out->distance = (double)kmh / 3.6;
    out->timestamp = step * STEP_MS;
    return 0;
}

static int parse(flinc_ctx *ctx, const flinc_string *line, car_event *out)
{
    char text[128];
    long long timestamp;

    if (line->len < sizeof(text)) {
        memcpy(text, line->data, line->len);
        text[line->len] = '\0';
        if (sscanf(text, "(%d,%d,%lf,%lld)", &out->car, &out->speed, &out->distance, &timestamp) ==
            4) {
            out->timestamp = timestamp;
            return 0;
        }
    }
    return flinc_ctx_fail(ctx, "'%.*s' is not (car,speed,distance,timestamp)",
                          (int)(line->len < 100 ? line->len : 100), line->data);
}

static double metres_between(flinc_ctx *ctx, const car_event *older, const car_event *newer)
{
    (void)ctx;
    return newer->distance - older->distance;
}

static int topspeed(flinc_env *env, int argc, char **argv)
{
    static const char *const options[] = {"input", "output", "events", "rate", NULL};
    flinc_params *params = flinc_params_parse(env, argc, argv, options);
    flinc_text_source files = FLINC_TEXT_SOURCE(.path = NULL);
    const char *output = flinc_params_get(params, "output", NULL);
    flinc_stream *cars;

    files.paths = flinc_params_all(params, "input", &files.n_paths);
    if (files.n_paths > 0) {
        cars = flinc_map(flinc_env_read_text(env, files), FLINC_FN(parse), FLINC_TYPE(car_event));
    } else {
        cars = flinc_from_datagen(
            env,
            FLINC_DATAGEN(.generate = FLINC_FN(generate), .type = FLINC_TYPE(car_event),
                          .count = flinc_params_int(params, "events", -1),
                          .rows_per_second = (double)flinc_params_int(params, "rate", 10 * CARS)));
        flinc_set_parallelism(cars, 1); /* records of a car come in order */
    }
    flinc_stream *timed = flinc_assign_timestamps(
        cars, FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_MONOTONOUS, .timestamp = "timestamp"));
    flinc_stream *fastest = flinc_window_max_by(
        flinc_window(flinc_key_by(timed, "car"),
                     FLINC_WINDOW(.assigner = FLINC_GLOBAL(),
                                  .trigger = FLINC_ON_DELTA(METRES, FLINC_FN(metres_between)),
                                  .evictor = FLINC_KEEP_TIME(KEPT_MS))),
        "speed");

    if (output != NULL) {
        flinc_write_text(fastest, FLINC_TEXT_SINK(.path = output));
    } else {
        flinc_print(fastest);
    }
    return flinc_env_execute(env, "TopSpeed");
}
FLINC_JOB(topspeed)
