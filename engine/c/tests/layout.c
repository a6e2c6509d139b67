/* Prints every number of the header and every place in its structs, for the test to compare. */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "rialto.h"

#define NUMBER(name) printf(#name " %" PRId64 "\n", (int64_t)(RIALTO_##name))
#define SIZE(type) printf(#type " %zu\n", sizeof(rialto_##type))
#define FIELD(type, field) printf(#type "." #field " %zu %zu\n", offsetof(rialto_##type, field), sizeof(((rialto_##type *)0)->field))

int main(void) {
    NUMBER(ABI_VERSION);
    NUMBER(OK);
    NUMBER(REFUSED);
    NUMBER(ERROR_NULL);
    NUMBER(ERROR_INVALID);
    NUMBER(ERROR_RANGE);
    NUMBER(ERROR_DUPLICATE);
    NUMBER(ERROR_FULL);
    NUMBER(ERROR_BUSY);
    NUMBER(ERROR_POISONED);
    NUMBER(ERROR_PANIC);
    NUMBER(BUY);
    NUMBER(SELL);
    NUMBER(LIMIT);
    NUMBER(IMMEDIATE_OR_CANCEL);
    NUMBER(FILL_OR_KILL);
    NUMBER(POST_ONLY);
    NUMBER(MARKET);
    NUMBER(MARKET_BY_QUOTE);
    NUMBER(QUANTITY_MAX);
    NUMBER(NOTIONAL_MAX);
    NUMBER(ORDERS_MAX);
    NUMBER(REPORT_FILL);
    NUMBER(REPORT_ACCEPTED);
    NUMBER(REPORT_EXPIRED);
    NUMBER(REPORT_REJECTED);
    NUMBER(REPORT_CANCELED);
    NUMBER(REPORT_CANCEL_REJECTED);
    NUMBER(REPORT_MODIFIED);
    NUMBER(REPORT_MODIFY_REJECTED);
    NUMBER(EXPIRED_IMMEDIATE_OR_CANCEL);
    NUMBER(EXPIRED_FILL_OR_KILL);
    NUMBER(EXPIRED_LIQUIDITY);
    NUMBER(REASON_NOTIONAL_TOO_SMALL);
    NUMBER(REASON_WOULD_MATCH);
    NUMBER(REASON_NO_LIQUIDITY);
    NUMBER(REASON_QUANTITY_NOT_REDUCED);
    NUMBER(REASON_ORDER_ALREADY_FINAL);
    SIZE(order);
    FIELD(order, id);
    FIELD(order, price);
    FIELD(order, quantity);
    FIELD(order, budget);
    FIELD(order, account);
    FIELD(order, side);
    FIELD(order, kind);
    FIELD(order, reserved);
    SIZE(report);
    FIELD(report, id);
    FIELD(report, price);
    FIELD(report, quantity);
    FIELD(report, remaining);
    FIELD(report, maker_id);
    FIELD(report, maker_remaining);
    FIELD(report, trade);
    FIELD(report, account);
    FIELD(report, maker_account);
    FIELD(report, kind);
    FIELD(report, side);
    FIELD(report, reason);
    FIELD(report, kept_place);
    return 0;
}
