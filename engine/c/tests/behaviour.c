/*
 * What the interface promises, seen from C: the reports of every command, and a code for every misuse.
 * Prints the first thing that is not as promised and ends with 1.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rialto.h"

#define CHECK(condition) \
    do { \
        if (!(condition)) { \
            printf("line %d: not so: %s\n", __LINE__, #condition); \
            exit(1); \
        } \
    } while (0)

#define REPORTS_MAX 16

struct seen {
    rialto_report reports[REPORTS_MAX];
    size_t count;
};

static void keep(const rialto_report *report, void *user_data) {
    struct seen *seen = user_data;
    CHECK(seen->count < REPORTS_MAX);
    seen->reports[seen->count++] = *report;
}

/* The reports that were seen, exactly, and none since. */
static void expect(struct seen *seen, int line, const rialto_report *reports, size_t count) {
    size_t at;
    if (seen->count != count) {
        printf("line %d: %zu reports instead of %zu\n", line, seen->count, count);
        exit(1);
    }
    for (at = 0; at < count; at++) {
        /* No padding: the layout test proves it. */
        if (memcmp(&seen->reports[at], &reports[at], sizeof *reports) != 0) {
            const rialto_report *report = &seen->reports[at];
            printf("line %d: report %zu is kind %" PRIu32 " id %" PRIu64 " price %" PRIu64 " quantity %" PRIu64 " remaining %" PRIu64
                   " maker %" PRIu64 " %" PRIu64 " trade %" PRIu64 " accounts %" PRIu32 " %" PRIu32 " side %" PRIu32
                   " reason %" PRIu32 " kept %" PRIu32 "\n",
                   line, at, report->kind, report->id, report->price, report->quantity, report->remaining, report->maker_id,
                   report->maker_remaining, report->trade, report->account, report->maker_account, report->side, report->reason,
                   report->kept_place);
            exit(1);
        }
    }
    seen->count = 0;
}

#define EXPECT(...) \
    do { \
        const rialto_report expected[] = {__VA_ARGS__}; \
        expect(&seen, __LINE__, expected, sizeof expected / sizeof *expected); \
    } while (0)
#define EXPECT_NOTHING() expect(&seen, __LINE__, NULL, 0)

static struct seen seen;
static rialto_book *book;

static int32_t submit(uint64_t id, uint32_t account, uint32_t side, uint32_t kind, uint64_t price, uint64_t quantity, uint64_t budget) {
    rialto_order order = {0};
    order.id = id;
    order.account = account;
    order.side = side;
    order.kind = kind;
    order.price = price;
    order.quantity = quantity;
    order.budget = budget;
    return rialto_book_submit(book, &order);
}

static void open_book(void) {
    CHECK(rialto_book_create(1000, 500, &book) == RIALTO_OK);
    CHECK(rialto_book_on_report(book, keep, &seen) == RIALTO_OK);
}

static void close_book(void) {
    CHECK(rialto_book_free(book) == RIALTO_OK);
    EXPECT_NOTHING();
}

static void orders_of_every_kind(void) {
    uint64_t price, quantity;
    open_book();
    CHECK(submit(1, 7, RIALTO_SELL, RIALTO_LIMIT, 100, 10, 0) == RIALTO_OK);
    EXPECT({.kind = RIALTO_REPORT_ACCEPTED, .id = 1, .account = 7, .side = RIALTO_SELL, .price = 100, .quantity = 10, .remaining = 10});
    CHECK(submit(2, 8, RIALTO_SELL, RIALTO_POST_ONLY, 101, 10, 0) == RIALTO_OK);
    EXPECT({.kind = RIALTO_REPORT_ACCEPTED, .id = 2, .account = 8, .side = RIALTO_SELL, .price = 101, .quantity = 10, .remaining = 10});

    CHECK(submit(3, 9, RIALTO_BUY, RIALTO_POST_ONLY, 100, 1, 0) == RIALTO_REFUSED);
    EXPECT({.kind = RIALTO_REPORT_REJECTED, .id = 3, .account = 9, .price = 100, .quantity = 1, .reason = RIALTO_REASON_WOULD_MATCH});
    CHECK(submit(4, 9, RIALTO_BUY, RIALTO_FILL_OR_KILL, 101, 21, 0) == RIALTO_OK);
    EXPECT({.kind = RIALTO_REPORT_EXPIRED, .id = 4, .account = 9, .price = 101, .quantity = 21, .remaining = 21,
            .reason = RIALTO_EXPIRED_FILL_OR_KILL});

    CHECK(submit(5, 9, RIALTO_BUY, RIALTO_IMMEDIATE_OR_CANCEL, 100, 12, 0) == RIALTO_OK);
    EXPECT({.kind = RIALTO_REPORT_FILL, .id = 5, .price = 100, .quantity = 10, .remaining = 2, .maker_id = 1, .trade = 1, .account = 9,
            .maker_account = 7},
           {.kind = RIALTO_REPORT_EXPIRED, .id = 5, .account = 9, .price = 100, .quantity = 12, .remaining = 2,
            .reason = RIALTO_EXPIRED_IMMEDIATE_OR_CANCEL});

    CHECK(submit(6, 9, RIALTO_BUY, RIALTO_FILL_OR_KILL, 101, 4, 0) == RIALTO_OK);
    EXPECT({.kind = RIALTO_REPORT_FILL, .id = 6, .price = 101, .quantity = 4, .maker_id = 2, .maker_remaining = 6, .trade = 2,
            .account = 9, .maker_account = 8},
           {.kind = RIALTO_REPORT_ACCEPTED, .id = 6, .account = 9, .price = 101, .quantity = 4});

    /* By quote: 250 buys two lots at 101 and the rest buys none. */
    CHECK(submit(7, 9, RIALTO_BUY, RIALTO_MARKET_BY_QUOTE, 0, 0, 250) == RIALTO_OK);
    EXPECT({.kind = RIALTO_REPORT_FILL, .id = 7, .price = 101, .quantity = 2, .maker_id = 2, .maker_remaining = 4, .trade = 3,
            .account = 9, .maker_account = 8},
           {.kind = RIALTO_REPORT_ACCEPTED, .id = 7, .account = 9});
    CHECK(submit(7, 9, RIALTO_BUY, RIALTO_MARKET_BY_QUOTE, 0, 0, 100) == RIALTO_REFUSED);
    EXPECT({.kind = RIALTO_REPORT_REJECTED, .id = 7, .account = 9, .reason = RIALTO_REASON_NOTIONAL_TOO_SMALL});

    CHECK(submit(8, 9, RIALTO_BUY, RIALTO_MARKET, 0, 5, 0) == RIALTO_OK);
    EXPECT({.kind = RIALTO_REPORT_FILL, .id = 8, .price = 101, .quantity = 4, .remaining = 1, .maker_id = 2, .trade = 4, .account = 9,
            .maker_account = 8},
           {.kind = RIALTO_REPORT_EXPIRED, .id = 8, .account = 9, .quantity = 5, .remaining = 1, .reason = RIALTO_EXPIRED_LIQUIDITY});
    CHECK(submit(9, 9, RIALTO_BUY, RIALTO_MARKET_BY_QUOTE, 0, 0, 500) == RIALTO_REFUSED);
    EXPECT({.kind = RIALTO_REPORT_REJECTED, .id = 9, .account = 9, .reason = RIALTO_REASON_NO_LIQUIDITY});

    /* The rest of a limit order that has traded rests. */
    CHECK(submit(10, 3, RIALTO_BUY, RIALTO_LIMIT, 90, 5, 0) == RIALTO_OK);
    seen.count = 0;
    CHECK(submit(11, 4, RIALTO_SELL, RIALTO_LIMIT, 80, 8, 0) == RIALTO_OK);
    EXPECT({.kind = RIALTO_REPORT_FILL, .id = 11, .price = 90, .quantity = 5, .remaining = 3, .maker_id = 10, .trade = 5, .account = 4,
            .maker_account = 3, .side = RIALTO_SELL},
           {.kind = RIALTO_REPORT_ACCEPTED, .id = 11, .account = 4, .side = RIALTO_SELL, .price = 80, .quantity = 8, .remaining = 3});
    CHECK(rialto_book_best_ask(book, &price, &quantity) == 1 && price == 80 && quantity == 3);
    CHECK(rialto_book_best_bid(book, &price, &quantity) == 0 && price == 0 && quantity == 0);
    close_book();
}

static void modifications_and_cancels(void) {
    uint64_t price, quantity, count;
    open_book();
    CHECK(submit(1, 1, RIALTO_BUY, RIALTO_LIMIT, 50, 10, 0) == RIALTO_OK);
    CHECK(submit(2, 2, RIALTO_BUY, RIALTO_POST_ONLY, 50, 10, 0) == RIALTO_OK);
    CHECK(submit(3, 3, RIALTO_SELL, RIALTO_IMMEDIATE_OR_CANCEL, 50, 4, 0) == RIALTO_OK);
    CHECK(rialto_book_open_quantity(book, 1, &quantity) == 1 && quantity == 6);
    CHECK(rialto_book_depth(book, RIALTO_BUY, 50, &quantity) == 1 && quantity == 16);
    CHECK(rialto_book_depth(book, RIALTO_SELL, 50, &quantity) == 0 && quantity == 0);
    CHECK(rialto_book_depth(book, RIALTO_BUY, UINT64_MAX, &quantity) == 0 && quantity == 0);
    CHECK(rialto_book_orders(book, &count) == 1 && count == 2);
    seen.count = 0;

    /* Less at the same price keeps the place, and quantities are what is open. */
    CHECK(rialto_book_modify(book, 1, 50, 5) == RIALTO_OK);
    EXPECT({.kind = RIALTO_REPORT_MODIFIED, .id = 1, .account = 1, .price = 50, .remaining = 5, .kept_place = 1});
    CHECK(rialto_book_reduce(book, 1, 3) == RIALTO_OK);
    EXPECT({.kind = RIALTO_REPORT_MODIFIED, .id = 1, .account = 1, .price = 50, .remaining = 3, .kept_place = 1});
    CHECK(rialto_book_reduce(book, 1, 3) == RIALTO_REFUSED);
    EXPECT({.kind = RIALTO_REPORT_MODIFY_REJECTED, .id = 1, .reason = RIALTO_REASON_QUANTITY_NOT_REDUCED});
    CHECK(submit(4, 3, RIALTO_SELL, RIALTO_IMMEDIATE_OR_CANCEL, 50, 1, 0) == RIALTO_OK);
    CHECK(seen.reports[0].maker_id == 1 && seen.reports[0].maker_remaining == 2);
    seen.count = 0;

    /* The same again, or more, goes behind the others. */
    CHECK(rialto_book_modify(book, 1, 50, 2) == RIALTO_OK);
    EXPECT({.kind = RIALTO_REPORT_MODIFIED, .id = 1, .account = 1, .price = 50, .remaining = 2},
           {.kind = RIALTO_REPORT_ACCEPTED, .id = 1, .account = 1, .price = 50, .quantity = 2, .remaining = 2});
    CHECK(submit(5, 3, RIALTO_SELL, RIALTO_IMMEDIATE_OR_CANCEL, 50, 1, 0) == RIALTO_OK);
    CHECK(seen.reports[0].maker_id == 2 && seen.reports[0].maker_remaining == 9);
    seen.count = 0;

    /* Another price may trade, whatever the order was before. */
    CHECK(submit(6, 5, RIALTO_SELL, RIALTO_LIMIT, 60, 3, 0) == RIALTO_OK);
    seen.count = 0;
    CHECK(rialto_book_modify(book, 2, 60, 4) == RIALTO_OK);
    EXPECT({.kind = RIALTO_REPORT_MODIFIED, .id = 2, .account = 2, .price = 60, .remaining = 4},
           {.kind = RIALTO_REPORT_FILL, .id = 2, .price = 60, .quantity = 3, .remaining = 1, .maker_id = 6, .trade = 4, .account = 2,
            .maker_account = 5},
           {.kind = RIALTO_REPORT_ACCEPTED, .id = 2, .account = 2, .price = 60, .quantity = 4, .remaining = 1});
    CHECK(rialto_book_best_bid(book, &price, &quantity) == 1 && price == 60 && quantity == 1);

    CHECK(rialto_book_cancel(book, 2) == RIALTO_OK);
    EXPECT({.kind = RIALTO_REPORT_CANCELED, .id = 2, .price = 60, .remaining = 1});
    CHECK(rialto_book_cancel(book, 2) == RIALTO_REFUSED);
    EXPECT({.kind = RIALTO_REPORT_CANCEL_REJECTED, .id = 2, .reason = RIALTO_REASON_ORDER_ALREADY_FINAL});
    CHECK(rialto_book_modify(book, 2, 60, 1) == RIALTO_REFUSED);
    EXPECT({.kind = RIALTO_REPORT_MODIFY_REJECTED, .id = 2, .reason = RIALTO_REASON_ORDER_ALREADY_FINAL});
    CHECK(rialto_book_reduce(book, 2, 1) == RIALTO_REFUSED);
    EXPECT({.kind = RIALTO_REPORT_MODIFY_REJECTED, .id = 2, .reason = RIALTO_REASON_ORDER_ALREADY_FINAL});
    CHECK(rialto_book_open_quantity(book, 2, &quantity) == 0 && quantity == 0);

    /* The id of a final order is free again; without a callback nothing is reported. */
    CHECK(rialto_book_on_report(book, NULL, NULL) == RIALTO_OK);
    CHECK(submit(2, 1, RIALTO_SELL, RIALTO_LIMIT, 70, 1, 0) == RIALTO_OK);
    CHECK(rialto_book_cancel(book, 2) == RIALTO_OK);
    CHECK(rialto_book_cancel(book, 1) == RIALTO_OK);
    CHECK(rialto_book_orders(book, &count) == 0 && count == 0);
    close_book();
}

static void misuse(void) {
    uint64_t one = 77, two = 77;
    rialto_order order = {0};
    rialto_book *none = NULL;

    CHECK(rialto_book_create(1000, 500, NULL) == RIALTO_ERROR_NULL);
    CHECK(rialto_book_create(0, 500, &none) == RIALTO_ERROR_RANGE);
    CHECK(rialto_book_create(1000, 0, &none) == RIALTO_ERROR_RANGE);
    CHECK(rialto_book_create(1, RIALTO_QUANTITY_MAX + 1, &none) == RIALTO_ERROR_RANGE);
    CHECK(rialto_book_create(RIALTO_NOTIONAL_MAX, 1, &none) == RIALTO_ERROR_RANGE);
    CHECK(rialto_book_create(UINT64_MAX, UINT64_MAX, &none) == RIALTO_ERROR_RANGE);
    CHECK(none == NULL);
    CHECK(rialto_book_free(NULL) == RIALTO_OK);
    CHECK(rialto_book_on_report(NULL, keep, NULL) == RIALTO_ERROR_NULL);
    CHECK(rialto_book_submit(NULL, &order) == RIALTO_ERROR_NULL);
    CHECK(rialto_book_cancel(NULL, 1) == RIALTO_ERROR_NULL);
    CHECK(rialto_book_modify(NULL, 1, 1, 1) == RIALTO_ERROR_NULL);
    CHECK(rialto_book_reduce(NULL, 1, 1) == RIALTO_ERROR_NULL);
    CHECK(rialto_book_best_bid(NULL, &one, &two) == RIALTO_ERROR_NULL);
    CHECK(rialto_book_best_ask(NULL, &one, &two) == RIALTO_ERROR_NULL);
    CHECK(rialto_book_depth(NULL, RIALTO_BUY, 1, &one) == RIALTO_ERROR_NULL);
    CHECK(rialto_book_open_quantity(NULL, 1, &one) == RIALTO_ERROR_NULL);
    CHECK(rialto_book_orders(NULL, &one) == RIALTO_ERROR_NULL);

    open_book();
    CHECK(rialto_book_submit(book, NULL) == RIALTO_ERROR_NULL);
    CHECK(submit(1, 1, RIALTO_BUY, RIALTO_LIMIT, 50, 10, 0) == RIALTO_OK);
    seen.count = 0;
    CHECK(rialto_book_best_bid(book, NULL, &two) == RIALTO_ERROR_NULL);
    CHECK(rialto_book_best_bid(book, &one, NULL) == RIALTO_ERROR_NULL);
    CHECK(rialto_book_best_ask(book, NULL, NULL) == RIALTO_ERROR_NULL);
    CHECK(rialto_book_depth(book, RIALTO_BUY, 50, NULL) == RIALTO_ERROR_NULL);
    CHECK(rialto_book_open_quantity(book, 1, NULL) == RIALTO_ERROR_NULL);
    CHECK(rialto_book_orders(book, NULL) == RIALTO_ERROR_NULL);
    CHECK(rialto_book_depth(book, 2, 50, &one) == RIALTO_ERROR_INVALID);
    CHECK(one == 77 && two == 77);

    CHECK(submit(2, 1, 2, RIALTO_LIMIT, 50, 10, 0) == RIALTO_ERROR_INVALID);
    CHECK(submit(2, 1, UINT32_MAX, RIALTO_LIMIT, 50, 10, 0) == RIALTO_ERROR_INVALID);
    CHECK(submit(2, 1, RIALTO_BUY, RIALTO_MARKET_BY_QUOTE + 1, 50, 10, 0) == RIALTO_ERROR_INVALID);
    CHECK(submit(2, 1, RIALTO_BUY, UINT32_MAX, 50, 10, 0) == RIALTO_ERROR_INVALID);
    CHECK(submit(2, 1, RIALTO_BUY, RIALTO_LIMIT, 50, 10, 1) == RIALTO_ERROR_INVALID);
    CHECK(submit(2, 1, RIALTO_BUY, RIALTO_MARKET, 50, 10, 0) == RIALTO_ERROR_INVALID);
    CHECK(submit(2, 1, RIALTO_BUY, RIALTO_MARKET, 0, 10, 1) == RIALTO_ERROR_INVALID);
    CHECK(submit(2, 1, RIALTO_BUY, RIALTO_MARKET_BY_QUOTE, 0, 10, 1) == RIALTO_ERROR_INVALID);
    CHECK(submit(2, 1, RIALTO_BUY, RIALTO_MARKET_BY_QUOTE, 50, 0, 1) == RIALTO_ERROR_INVALID);
    order.id = 2;
    order.price = order.quantity = order.reserved = 1;
    CHECK(rialto_book_submit(book, &order) == RIALTO_ERROR_INVALID);

    CHECK(submit(2, 1, RIALTO_BUY, RIALTO_LIMIT, 0, 10, 0) == RIALTO_ERROR_RANGE);
    CHECK(submit(2, 1, RIALTO_BUY, RIALTO_LIMIT, 1001, 10, 0) == RIALTO_ERROR_RANGE);
    CHECK(submit(2, 1, RIALTO_BUY, RIALTO_LIMIT, UINT64_MAX, 10, 0) == RIALTO_ERROR_RANGE);
    CHECK(submit(2, 1, RIALTO_BUY, RIALTO_LIMIT, 50, 0, 0) == RIALTO_ERROR_RANGE);
    CHECK(submit(2, 1, RIALTO_BUY, RIALTO_LIMIT, 50, 501, 0) == RIALTO_ERROR_RANGE);
    CHECK(submit(2, 1, RIALTO_BUY, RIALTO_MARKET, 0, UINT64_MAX, 0) == RIALTO_ERROR_RANGE);
    CHECK(submit(2, 1, RIALTO_BUY, RIALTO_MARKET_BY_QUOTE, 0, 0, 0) == RIALTO_ERROR_RANGE);
    CHECK(submit(2, 1, RIALTO_BUY, RIALTO_MARKET_BY_QUOTE, 0, 0, RIALTO_NOTIONAL_MAX) == RIALTO_ERROR_RANGE);
    CHECK(rialto_book_modify(book, 1, 0, 1) == RIALTO_ERROR_RANGE);
    CHECK(rialto_book_modify(book, 1, 1001, 1) == RIALTO_ERROR_RANGE);
    CHECK(rialto_book_modify(book, 1, 50, 0) == RIALTO_ERROR_RANGE);
    CHECK(rialto_book_modify(book, 1, 50, 501) == RIALTO_ERROR_RANGE);
    CHECK(rialto_book_reduce(book, 1, 0) == RIALTO_ERROR_RANGE);
    CHECK(rialto_book_reduce(book, 1, 501) == RIALTO_ERROR_RANGE);

    CHECK(submit(1, 2, RIALTO_SELL, RIALTO_LIMIT, 60, 10, 0) == RIALTO_ERROR_DUPLICATE);
    CHECK(submit(1, 2, RIALTO_SELL, RIALTO_IMMEDIATE_OR_CANCEL, 40, 10, 0) == RIALTO_ERROR_DUPLICATE);
    EXPECT_NOTHING();

    /* After all of it the book is what it was. */
    CHECK(rialto_book_orders(book, &one) == 1 && one == 1);
    CHECK(rialto_book_best_bid(book, &one, &two) == 1 && one == 50 && two == 10);
    /* What is within the limits, to the last, is taken. */
    CHECK(submit(UINT64_MAX, UINT32_MAX, RIALTO_SELL, RIALTO_LIMIT, 1000, 500, 0) == RIALTO_OK);
    CHECK(submit(0, 0, RIALTO_SELL, RIALTO_LIMIT, 1000, 500, 0) == RIALTO_OK);
    CHECK(submit(UINT64_MAX, 1, RIALTO_SELL, RIALTO_LIMIT, 1000, 500, 0) == RIALTO_ERROR_DUPLICATE);
    CHECK(submit(0, 1, RIALTO_SELL, RIALTO_LIMIT, 1000, 500, 0) == RIALTO_ERROR_DUPLICATE);
    CHECK(rialto_book_depth(book, RIALTO_SELL, 1000, &one) == 1 && one == 1000);
    seen.count = 0;
    close_book();
}

/* A callback may ask, and must not tell. */
static int32_t answers[7];

static void meddle(const rialto_report *report, void *user_data) {
    rialto_book *meddled = user_data;
    rialto_order order = {0};
    uint64_t price, quantity;
    order.id = 99;
    order.price = order.quantity = 1;
    answers[0] = rialto_book_submit(meddled, &order);
    answers[1] = rialto_book_cancel(meddled, report->id);
    answers[2] = rialto_book_modify(meddled, report->id, 1, 1);
    answers[3] = rialto_book_reduce(meddled, report->id, 1);
    answers[4] = rialto_book_on_report(meddled, NULL, NULL);
    answers[5] = rialto_book_free(meddled);
    answers[6] = rialto_book_best_bid(meddled, &price, &quantity) == 1 && price == 50 && quantity == 10;
}

static void a_callback_that_meddles(void) {
    int at;
    uint64_t quantity;
    open_book();
    CHECK(rialto_book_on_report(book, meddle, book) == RIALTO_OK);
    CHECK(submit(1, 1, RIALTO_BUY, RIALTO_LIMIT, 50, 10, 0) == RIALTO_OK);
    for (at = 0; at < 6; at++) CHECK(answers[at] == RIALTO_ERROR_BUSY);
    CHECK(answers[6] == 1);
    CHECK(rialto_book_open_quantity(book, 1, &quantity) == 1 && quantity == 10);
    CHECK(rialto_book_cancel(book, 1) == RIALTO_OK);
    close_book();
}

int main(void) {
    CHECK(rialto_abi_version() == RIALTO_ABI_VERSION);
    orders_of_every_kind();
    modifications_and_cancels();
    misuse();
    a_callback_that_meddles();
    printf("as promised\n");
    return 0;
}
