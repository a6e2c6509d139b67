/*
 * The order book of Rialto, for programs that are not written in Rust.
 *
 * One book matches one market by price, then time. It has no wallet, no journal and no clock: what it
 * is told happens at once, on the thread that tells it, and what came of it is reported before the call
 * returns. Prices are whole ticks, quantities whole lots, and what they mean is the caller's affair.
 *
 * Three rules for all functions:
 *
 *  - A negative code means that the call was wrong (see RIALTO_ERROR_*): nothing changed and nothing is
 *    reported. RIALTO_REFUSED means that the book refused: nothing changed, and one report says why.
 *  - A book belongs to one thread at a time. Different books share nothing.
 *  - No panic of the engine crosses this interface. A call that meets one answers RIALTO_ERROR_PANIC, and
 *    from then on the book answers RIALTO_ERROR_POISONED to all but rialto_book_free.
 *
 * Deliberately absent: stop orders, self-trade prevention, and what a wallet checks. An account is a
 * label that fills carry.
 */
#ifndef RIALTO_H
#define RIALTO_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The version of this interface. It is raised by every change that a compiled program could notice. */
#define RIALTO_ABI_VERSION 1

/* Codes. Queries answer 1 and 0 for "there is" and "there is not" instead of the first two. */
#define RIALTO_OK 0               /* done; the reports say what came of it */
#define RIALTO_REFUSED 1          /* the book refused; one report says why */
#define RIALTO_ERROR_NULL (-1)    /* a pointer that must be given is NULL */
#define RIALTO_ERROR_INVALID (-2) /* no such side or kind, or a field that the kind does not use is not 0 */
#define RIALTO_ERROR_RANGE (-3)   /* a price, quantity or budget of zero, or above what the book was made for */
#define RIALTO_ERROR_DUPLICATE (-4) /* an order with this id rests in the book */
#define RIALTO_ERROR_FULL (-5)    /* the book holds as many orders as it can, and this one might rest */
#define RIALTO_ERROR_BUSY (-6)    /* a command, or free, from within the report callback of the same book */
#define RIALTO_ERROR_POISONED (-7) /* an earlier call ended in a panic */
#define RIALTO_ERROR_PANIC (-8)   /* this call ended in a panic: a bug of the engine */

/* Sides. */
#define RIALTO_BUY 0
#define RIALTO_SELL 1

/* Kinds of orders, and which fields they use beside id, account and side. The others must be 0. */
#define RIALTO_LIMIT 0               /* price, quantity: trades, and the rest of it rests */
#define RIALTO_IMMEDIATE_OR_CANCEL 1 /* price, quantity: trades, and the rest expires */
#define RIALTO_FILL_OR_KILL 2        /* price, quantity: trades whole, or expires whole */
#define RIALTO_POST_ONLY 3           /* price, quantity: rests whole, or is refused */
#define RIALTO_MARKET 4              /* quantity: trades at any price, and the rest expires */
#define RIALTO_MARKET_BY_QUOTE 5     /* budget: trades whole lots at any price until the budget buys no more */

/* Limits that hold for every book. */
#define RIALTO_QUANTITY_MAX (UINT64_C(1) << 42) /* the largest max_quantity */
#define RIALTO_NOTIONAL_MAX (UINT64_C(1) << 62) /* max_price * max_quantity, and every budget, stay below */
#define RIALTO_ORDERS_MAX (UINT64_C(1) << 24)   /* the most orders at rest, see rialto_book_create */

/* Kinds of reports. The comment names the fields that are set; the others are 0. */
#define RIALTO_REPORT_FILL 1            /* all but reason and kept_place; see rialto_report */
#define RIALTO_REPORT_ACCEPTED 2        /* id, account, side, price, quantity, remaining: this much rests; 0 if
                                         * the order is done */
#define RIALTO_REPORT_EXPIRED 3         /* the same, and reason RIALTO_EXPIRED_*: remaining lapsed */
#define RIALTO_REPORT_REJECTED 4        /* id, account, side, price, quantity, reason RIALTO_REASON_* */
#define RIALTO_REPORT_CANCELED 5        /* id, side, price, remaining: what was open and is taken out */
#define RIALTO_REPORT_CANCEL_REJECTED 6 /* id, reason */
#define RIALTO_REPORT_MODIFIED 7        /* id, account, side, the new price, remaining: the new open quantity
                                         * before it trades, kept_place */
#define RIALTO_REPORT_MODIFY_REJECTED 8 /* id, reason */

/* Why the rest of an order expired. */
#define RIALTO_EXPIRED_IMMEDIATE_OR_CANCEL 1
#define RIALTO_EXPIRED_FILL_OR_KILL 2
#define RIALTO_EXPIRED_LIQUIDITY 3 /* a market order found nothing more to trade with */

/* Why the book refused. The numbers are those of the engine, of which a book alone uses these. */
#define RIALTO_REASON_NOTIONAL_TOO_SMALL 7    /* a budget that buys no lot */
#define RIALTO_REASON_WOULD_MATCH 14          /* a post-only order would have traded */
#define RIALTO_REASON_NO_LIQUIDITY 15         /* a market order by quote found nothing to trade with */
#define RIALTO_REASON_QUANTITY_NOT_REDUCED 16 /* a reduction that does not leave less */
#define RIALTO_REASON_ORDER_ALREADY_FINAL 17  /* no such order rests in the book */

/* A book. */
typedef struct rialto_book rialto_book;

/* An order as it comes in. */
typedef struct rialto_order {
    uint64_t id;       /* any number that no resting order has; of a final order it may be used again */
    uint64_t price;    /* ticks, from 1 to the book's max_price */
    uint64_t quantity; /* lots, from 1 to the book's max_quantity */
    uint64_t budget;   /* tick-lots, from 1 to below RIALTO_NOTIONAL_MAX */
    uint32_t account;  /* any number */
    uint32_t side;     /* RIALTO_BUY or RIALTO_SELL */
    uint32_t kind;     /* RIALTO_LIMIT to RIALTO_MARKET_BY_QUOTE */
    uint32_t reserved; /* 0 */
} rialto_order;

/*
 * Something that happened. In a fill, the order is the incoming one (taker), side is the aggressor's, price
 * is the maker's and quantity what changed hands. Of an order by quote, remaining is always 0.
 */
typedef struct rialto_report {
    uint64_t id;
    uint64_t price;
    uint64_t quantity;
    uint64_t remaining;       /* open of the order afterwards */
    uint64_t maker_id;        /* fills only, like the two below */
    uint64_t maker_remaining; /* open of the maker afterwards */
    uint64_t trade;           /* counted from 1 per book */
    uint32_t account;
    uint32_t maker_account; /* fills only */
    uint32_t kind;          /* RIALTO_REPORT_* */
    uint32_t side;
    uint32_t reason;
    uint32_t kept_place; /* 1 if a modified order kept its place */
} rialto_report;

/*
 * Takes a report, which is valid only during the call, and the pointer given with the callback. The book
 * stands as after the whole command: it may be queried, but told nothing. Must not throw or longjmp.
 *
 * Reports of a command, in order:
 *   submit          FILL for each trade, then one of ACCEPTED, EXPIRED, REJECTED
 *   cancel          CANCELED or CANCEL_REJECTED
 *   modify, reduce  MODIFY_REJECTED; or MODIFIED, and if the order lost its place, what a submit reports
 */
typedef void (*rialto_report_callback)(const rialto_report *report, void *user_data);

/* RIALTO_ABI_VERSION of the library. A program refuses to go on if it differs from its own. */
uint32_t rialto_abi_version(void);

/*
 * Makes an empty book and stores it in *book. No order may have a price above max_price or a quantity
 * above max_quantity: RIALTO_ERROR_RANGE unless both are above 0, max_quantity is at most
 * RIALTO_QUANTITY_MAX, and their product is below RIALTO_NOTIONAL_MAX. That is what proves that no sum in
 * the book can overflow; checking each order by itself would not, because a large quantity may meet a high
 * price. For the same reason the book holds at most RIALTO_ORDERS_MAX orders, or UINT64_MAX / max_quantity if
 * that is less.
 */
int32_t rialto_book_create(uint64_t max_price, uint64_t max_quantity, rialto_book **book);

/* Frees a book; NULL is taken and ignored. The pointer is invalid afterwards, unless the answer is
 * RIALTO_ERROR_BUSY. */
int32_t rialto_book_free(rialto_book *book);

/* Sets where reports go from now on; NULL for nowhere. user_data is handed on and never looked at. */
int32_t rialto_book_on_report(rialto_book *book, rialto_report_callback callback, void *user_data);

/* Matches an order, and lets rest of it what its kind lets rest. */
int32_t rialto_book_submit(rialto_book *book, const rialto_order *order);

/* Takes an order out. */
int32_t rialto_book_cancel(rialto_book *book, uint64_t id);

/*
 * Gives a resting order a new price and a new open quantity: what is filled of it does not count.
 *
 * Only a smaller quantity at the same price keeps the order's place. Everything else, the same quantity at
 * the same price included, takes it out and brings it in anew as a RIALTO_LIMIT order behind the others,
 * whatever kind it was; it trades if its new price meets the other side.
 */
int32_t rialto_book_modify(rialto_book *book, uint64_t id, uint64_t price, uint64_t quantity);

/* Lowers the open quantity of a resting order to this. It keeps its place; what is not less is refused. */
int32_t rialto_book_reduce(rialto_book *book, uint64_t id, uint64_t quantity);

/*
 * Queries. They answer 1 if there is something and 0 if there is not, or a negative code. On 0 they store
 * zeros, on an error nothing. All pointers must be given.
 */

/* The highest bid, or lowest ask, and all that rests there. */
int32_t rialto_book_best_bid(const rialto_book *book, uint64_t *price, uint64_t *quantity);
int32_t rialto_book_best_ask(const rialto_book *book, uint64_t *price, uint64_t *quantity);

/* All that rests at a price of a side. Any price may be asked for. */
int32_t rialto_book_depth(const rialto_book *book, uint32_t side, uint64_t price, uint64_t *quantity);

/* What is open of an order. */
int32_t rialto_book_open_quantity(const rialto_book *book, uint64_t id, uint64_t *quantity);

/* How many orders rest. */
int32_t rialto_book_orders(const rialto_book *book, uint64_t *count);

#ifdef __cplusplus
}
#endif

#endif
