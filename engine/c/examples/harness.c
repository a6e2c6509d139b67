/*
 * Drives the book through its C interface, and prints how fast that was and a hash of all fills.
 *
 *   harness [--rounds N] [--resting N] [--commands N] [--seed N] [--write FILE]
 *   harness [--rounds N] --read FILE
 *
 * Without a file it makes a stream of its own, always the same for the same numbers: 60 % orders that rest,
 * 35 % cancels, and 5 % immediate-or-cancel orders that keep the book at its size. --write writes it down.
 * A file, or "-" for the standard input, has a command on each line, all numbers as in rialto.h:
 *
 *   n ID ACCOUNT SIDE KIND PRICE QUANTITY BUDGET    a new order
 *   c ID                                            cancel
 *   m ID PRICE QUANTITY                             modify
 *   r ID QUANTITY                                   reduce
 *   t                                               what came before only built the book: the clock starts
 *
 * The stream is in memory before the clock starts; each round gets a new book. The hash is comparable to that of the bench "book".
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rialto.h"

#define MAX_PRICE (UINT64_C(1) << 31)
#define MAX_QUANTITY (UINT64_C(1) << 30)
#define START_PRICE UINT64_C(100000)
#define MEAN_DISTANCE 12
#define ORDER_QUANTITY_MAX 100
#define GONE SIZE_MAX

struct command {
    char verb; /* n, c, m or r */
    rialto_order order;
};

struct stream {
    struct command *commands;
    size_t count, room;
    size_t setup; /* how many commands only build the book */
};

/* What came of a stream. */
struct result {
    uint64_t fill_hash, fills;
    uint64_t refused, wrong;
};

static void fail(const char *what) {
    fprintf(stderr, "harness: %s\n", what);
    exit(1);
}

static void *room(void *block, size_t count, size_t size) {
    block = realloc(block, (count ? count : 1) * size);
    if (!block) fail("out of memory");
    return block;
}

static struct command *push(struct stream *stream, char verb) {
    struct command *command;
    if (stream->count == stream->room) {
        stream->room = stream->room ? stream->room * 2 : 1024;
        stream->commands = room(stream->commands, stream->room, sizeof *stream->commands);
    }
    command = &stream->commands[stream->count++];
    memset(command, 0, sizeof *command);
    command->verb = verb;
    return command;
}

static rialto_book *open_book(void) {
    rialto_book *book;
    if (rialto_abi_version() != RIALTO_ABI_VERSION) fail("the library has another version than the header");
    if (rialto_book_create(MAX_PRICE, MAX_QUANTITY, &book) != RIALTO_OK) fail("no book");
    return book;
}

static int32_t carry_out(rialto_book *book, const struct command *command) {
    const rialto_order *order = &command->order;
    switch (command->verb) {
    case 'n': return rialto_book_submit(book, order);
    case 'c': return rialto_book_cancel(book, order->id);
    case 'm': return rialto_book_modify(book, order->id, order->price, order->quantity);
    default: return rialto_book_reduce(book, order->id, order->quantity);
    }
}

/* The generator. It learns from reports what is open, so it needs no book beside the one under test. */

struct generator {
    uint64_t seed;
    uint64_t *open; /* ids of the orders at rest, in no order */
    size_t open_count;
    size_t *places; /* by id, where it stands there */
};

static uint64_t draw(struct generator *generator, uint64_t bound) { /* splitmix64 */
    uint64_t mixed = generator->seed += UINT64_C(0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (mixed ^ (mixed >> 31)) % bound;
}

static void forget(struct generator *generator, uint64_t id) {
    size_t place = generator->places[id];
    uint64_t moved = generator->open[--generator->open_count];
    generator->open[place] = moved;
    generator->places[moved] = place;
    generator->places[id] = GONE;
}

static void learn(const rialto_report *report, void *user_data) {
    struct generator *generator = user_data;
    if (report->kind == RIALTO_REPORT_ACCEPTED && report->remaining > 0) {
        generator->places[report->id] = generator->open_count;
        generator->open[generator->open_count++] = report->id;
    } else if (report->kind == RIALTO_REPORT_FILL && report->maker_remaining == 0) {
        forget(generator, report->maker_id);
    } else if (report->kind == RIALTO_REPORT_CANCELED) {
        forget(generator, report->id);
    }
}

static void add_resting(struct generator *generator, const rialto_book *book, rialto_order *order) {
    uint64_t distance = 1, price, quantity;
    order->side = (uint32_t)draw(generator, 2);
    order->kind = RIALTO_LIMIT;
    order->quantity = 1 + draw(generator, ORDER_QUANTITY_MAX);
    while (draw(generator, MEAN_DISTANCE + 1) != 0) distance++;
    if (order->side == RIALTO_BUY) {
        if (rialto_book_best_ask(book, &price, &quantity) != 1) price = START_PRICE + 1;
        order->price = price - distance;
    } else {
        if (rialto_book_best_bid(book, &price, &quantity) != 1) price = START_PRICE;
        order->price = price + distance;
    }
}

static void take(struct generator *generator, size_t resting, rialto_order *order) {
    size_t excess = generator->open_count > resting ? generator->open_count - resting : 1;
    order->side = (uint32_t)draw(generator, 2);
    order->kind = RIALTO_IMMEDIATE_OR_CANCEL;
    order->price = order->side == RIALTO_BUY ? MAX_PRICE : 1;
    while (excess-- > 0) order->quantity += 1 + draw(generator, ORDER_QUANTITY_MAX);
}

static void generate(struct stream *stream, size_t resting, size_t commands, uint64_t seed) {
    struct generator generator = {0};
    rialto_book *book = open_book();
    size_t id, all = resting + commands;
    generator.seed = seed;
    generator.open = room(NULL, all, sizeof *generator.open);
    generator.places = room(NULL, all, sizeof *generator.places);
    rialto_book_on_report(book, learn, &generator);
    for (id = 0; id < all; id++) {
        uint64_t kind = id < resting ? 99 : draw(&generator, 100);
        struct command *command = push(stream, kind >= 5 && kind < 40 && generator.open_count ? 'c' : 'n');
        if (command->verb == 'c') {
            command->order.id = generator.open[draw(&generator, generator.open_count)];
        } else {
            command->order.id = id;
            command->order.account = 1;
            if (kind < 5) take(&generator, resting, &command->order);
            else add_resting(&generator, book, &command->order);
        }
        if (carry_out(book, command) != RIALTO_OK) fail("the book refuses what was made for it");
    }
    stream->setup = resting;
    rialto_book_free(book);
    free(generator.open);
    free(generator.places);
}

static void write_stream(const struct stream *stream, const char *name) {
    size_t number;
    FILE *file = fopen(name, "w");
    if (!file) fail(strerror(errno));
    for (number = 0; number < stream->count; number++) {
        const rialto_order *order = &stream->commands[number].order;
        if (number == stream->setup) fprintf(file, "t\n");
        if (stream->commands[number].verb == 'c') {
            fprintf(file, "c %" PRIu64 "\n", order->id);
        } else {
            fprintf(file, "n %" PRIu64 " %" PRIu32 " %" PRIu32 " %" PRIu32 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", order->id,
                    order->account, order->side, order->kind, order->price, order->quantity, order->budget);
        }
    }
    if (fclose(file) != 0) fail(strerror(errno));
}

static void read_stream(struct stream *stream, const char *name) {
    char line[256], verb;
    FILE *file = strcmp(name, "-") == 0 ? stdin : fopen(name, "r");
    if (!file) fail(strerror(errno));
    while (fgets(line, sizeof line, file)) {
        rialto_order order = {0};
        int read = 0, needed = 0;
        if (sscanf(line, " %c", &verb) != 1 || verb == '#') continue;
        if (verb == 't') {
            stream->setup = stream->count;
            continue;
        }
        if (verb == 'n') {
            needed = 7;
            read = sscanf(line, " n %" SCNu64 " %" SCNu32 " %" SCNu32 " %" SCNu32 " %" SCNu64 " %" SCNu64 " %" SCNu64, &order.id,
                          &order.account, &order.side, &order.kind, &order.price, &order.quantity, &order.budget);
        } else if (verb == 'c') {
            needed = 1;
            read = sscanf(line, " c %" SCNu64, &order.id);
        } else if (verb == 'm') {
            needed = 3;
            read = sscanf(line, " m %" SCNu64 " %" SCNu64 " %" SCNu64, &order.id, &order.price, &order.quantity);
        } else if (verb == 'r') {
            needed = 2;
            read = sscanf(line, " r %" SCNu64 " %" SCNu64, &order.id, &order.quantity);
        }
        if (needed == 0 || read != needed) fail("a line that is no command");
        push(stream, verb)->order = order;
    }
    if (file != stdin) fclose(file);
}

static void mix(uint64_t *hash, uint64_t word) {
    *hash = (((*hash << 5) | (*hash >> 59)) ^ word) * UINT64_C(0x517cc1b727220a95);
}

static void tally(const rialto_report *report, void *user_data) {
    struct result *result = user_data;
    if (report->kind != RIALTO_REPORT_FILL) return;
    mix(&result->fill_hash, report->maker_id);
    mix(&result->fill_hash, report->id);
    mix(&result->fill_hash, report->price);
    mix(&result->fill_hash, report->quantity);
    result->fills++;
}

static void drive(rialto_book *book, const struct command *command, const struct command *end, struct result *result) {
    for (; command != end; command++) {
        int32_t code = carry_out(book, command);
        if (code == RIALTO_ERROR_PANIC || code == RIALTO_ERROR_POISONED) fail("the book has panicked");
        result->refused += code == RIALTO_REFUSED;
        result->wrong += code < 0;
    }
}

static void print_best(const char *name, int32_t (*best)(const rialto_book *, uint64_t *, uint64_t *), const rialto_book *book) {
    uint64_t price, quantity;
    if (best(book, &price, &quantity) == 1) printf("%s %" PRIu64 " %" PRIu64 "\n", name, price, quantity);
}

static void print_result(const struct stream *stream, const struct result *result, const rialto_book *book) {
    uint64_t orders;
    rialto_book_orders(book, &orders);
    printf("commands %zu\n", stream->count);
    printf("refused %" PRIu64 "\n", result->refused);
    printf("wrong %" PRIu64 "\n", result->wrong);
    printf("fills %" PRIu64 "\n", result->fills);
    printf("fill_hash %016" PRIx64 "\n", result->fill_hash);
    printf("resting %" PRIu64 "\n", orders);
    print_best("best_bid", rialto_book_best_bid, book);
    print_best("best_ask", rialto_book_best_ask, book);
}

/* Carries the stream out on a new book, and gives the processor's seconds since the clock started. */
static double run_round(const struct stream *stream, int is_last) {
    struct result result = {0};
    const struct command *start = stream->commands + stream->setup, *end = stream->commands + stream->count;
    rialto_book *book = open_book();
    clock_t began;
    double seconds;
    rialto_book_on_report(book, tally, &result);
    drive(book, stream->commands, start, &result);
    began = clock();
    drive(book, start, end, &result);
    seconds = (double)(clock() - began) / CLOCKS_PER_SEC;
    if (is_last) print_result(stream, &result, book);
    rialto_book_free(book);
    return seconds;
}

static int in_order(const void *one, const void *other) {
    double difference = *(const double *)one - *(const double *)other;
    return (difference > 0) - (difference < 0);
}

static void print_speed(const char *name, double seconds, size_t timed) {
    if (seconds <= 0 || timed == 0) return; /* too short for the clock */
    printf("%s_commands_per_second %.0f\n", name, (double)timed / seconds);
    printf("%s_nanoseconds_per_command %.1f\n", name, seconds * 1e9 / (double)timed);
}

int main(int argument_count, char **arguments) {
    struct stream stream = {0};
    const char *read = NULL, *written = NULL;
    size_t resting = 5000, commands = 1000000, rounds = 7, round;
    uint64_t seed = 20260101;
    double *seconds;
    int number;

    for (number = 1; number < argument_count; number += 2) {
        const char *name = arguments[number], *value = arguments[number + 1];
        if (number + 1 == argument_count) fail("an argument without a value");
        if (strcmp(name, "--read") == 0) read = value;
        else if (strcmp(name, "--write") == 0) written = value;
        else if (strcmp(name, "--rounds") == 0) rounds = (size_t)strtoull(value, NULL, 10);
        else if (strcmp(name, "--resting") == 0) resting = (size_t)strtoull(value, NULL, 10);
        else if (strcmp(name, "--commands") == 0) commands = (size_t)strtoull(value, NULL, 10);
        else if (strcmp(name, "--seed") == 0) seed = strtoull(value, NULL, 10);
        else fail("usage: harness [--rounds N] [--resting N] [--commands N] [--seed N] [--write FILE] | --read FILE");
    }
    if (read) read_stream(&stream, read);
    else generate(&stream, resting, commands, seed);
    if (written) write_stream(&stream, written);
    if (stream.count == 0 || rounds == 0) fail("nothing to do");

    seconds = room(NULL, rounds, sizeof *seconds);
    for (round = 0; round < rounds; round++) seconds[round] = run_round(&stream, round + 1 == rounds);
    qsort(seconds, rounds, sizeof *seconds, in_order);
    print_speed("median", seconds[rounds / 2], stream.count - stream.setup);
    print_speed("best", seconds[0], stream.count - stream.setup);
    free(seconds);
    free(stream.commands);
    return 0;
}
