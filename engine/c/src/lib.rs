//! The order book behind a C interface: `include/rialto.h` is its documentation.
//!
//! This file is the boundary and nothing else: it turns pointers into references, panics into codes,
//! and reports into calls of the callback. What is checked stands in [`checked`], without `unsafe`.

#![expect(unsafe_code, reason = "pointers come in from C; every block says why it may trust one")]

pub mod abi;
pub mod checked;

use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rialto_engine::ids::OrderId;
use rialto_engine::order::Side;
use rialto_engine::units::{Price, Quantity};

use abi::{Error, Order, Report};
use checked::CheckedBook;

/// `rialto_report_callback`.
pub type ReportCallback = Option<unsafe extern "C" fn(*const Report, *mut c_void)>;

/// `rialto_book`: only ever used by shared reference, because a report callback may query the book
/// that is reporting. It is not `Sync`; the header gives it to one thread at a time.
#[derive(Debug)]
pub struct Handle {
    book: RefCell<CheckedBook>,
    callback: Cell<ReportCallback>,
    user_data: Cell<*mut c_void>,
    /// Whether reports are under way.
    reporting: Cell<bool>,
    poisoned: Cell<bool>,
}

impl Handle {
    fn new(book: CheckedBook) -> Self {
        Self {
            book: RefCell::new(book),
            callback: Cell::new(None),
            user_data: Cell::new(std::ptr::null_mut()),
            reporting: Cell::new(false),
            poisoned: Cell::new(false),
        }
    }

    /// Runs something that may panic, once, and never again anything after it has.
    fn guard(&self, work: impl FnOnce() -> Result<i32, Error>) -> i32 {
        if self.poisoned.get() {
            return Error::Poisoned as i32;
        }
        // What a panic leaves half done is not looked at again: the book is poisoned.
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok(result) => result.unwrap_or_else(|error| error as i32),
            Err(_) => {
                self.poisoned.set(true);
                Error::Panic as i32
            }
        }
    }

    fn command(&self, work: impl FnOnce(&mut CheckedBook) -> Result<(), Error>) -> i32 {
        self.guard(|| {
            if self.reporting.get() {
                return Err(Error::Busy);
            }
            work(&mut self.book.borrow_mut())?;
            // Borrowed, not mutably: the callback may ask for more borrows like this one.
            let book = self.book.borrow();
            if let Some(callback) = self.callback.get() {
                let _reporting = Reporting::begin(&self.reporting);
                let user_data = self.user_data.get();
                book.report(|report| {
                    // SAFETY: the caller of `rialto_book_on_report` promised a function that may be called
                    // with any report and this pointer until another is set, and that neither throws nor
                    // jumps out. The report lives until the call returns.
                    unsafe { callback(report, user_data) };
                });
            }
            Ok(if book.has_accepted() { abi::OK } else { abi::REFUSED })
        })
    }
}

/// Marks that reports are under way, until it is dropped: by a panic too.
struct Reporting<'a>(&'a Cell<bool>);

impl<'a> Reporting<'a> {
    fn begin(mark: &'a Cell<bool>) -> Self {
        mark.set(true);
        Self(mark)
    }
}

impl Drop for Reporting<'_> {
    fn drop(&mut self) {
        self.0.set(false);
    }
}

/// Turns a book's pointer into a reference for the time of a call.
///
/// # Safety
/// The pointer is null, or came from [`rialto_book_create`] and was not freed, and no other thread uses
/// the book meanwhile.
unsafe fn handle<'a>(book: *const Handle) -> Result<&'a Handle, Error> {
    // SAFETY: not null, it points to a `Handle` that `Box` made and only `rialto_book_free` drops, which
    // refuses while a call further up the stack uses the book. All use is by shared references.
    unsafe { book.as_ref() }.ok_or(Error::Null)
}

/// Carries a command out on a book.
///
/// # Safety
/// As for [`handle`].
unsafe fn command(book: *const Handle, work: impl FnOnce(&mut CheckedBook) -> Result<(), Error>) -> i32 {
    // SAFETY: the caller's promise is the one that is asked for.
    match unsafe { handle(book) } {
        Ok(handle) => handle.command(work),
        Err(error) => error as i32,
    }
}

/// Answers a query by one or two values.
///
/// # Safety
/// As for [`handle`]; and the pointers are null or may be written.
unsafe fn query<const N: usize>(
    book: *const Handle,
    values: [*mut u64; N],
    work: impl FnOnce(&CheckedBook) -> Result<Option<[u64; N]>, Error>,
) -> i32 {
    // SAFETY: the caller's promise is the one that is asked for.
    let handle = match unsafe { handle(book) } {
        Ok(handle) => handle,
        Err(error) => return error as i32,
    };
    handle.guard(|| {
        if values.iter().any(|value| value.is_null()) {
            return Err(Error::Null);
        }
        let found = work(&handle.book.borrow())?;
        for (value, found) in values.into_iter().zip(found.unwrap_or([0; N])) {
            // SAFETY: not null, and the caller promised that it may be written.
            unsafe { value.write(found) };
        }
        Ok(i32::from(found.is_some()))
    })
}

/// The version of the interface.
#[unsafe(no_mangle)]
pub extern "C" fn rialto_abi_version() -> u32 {
    abi::ABI_VERSION
}

/// Makes an empty book.
///
/// # Safety
/// `book` is null or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rialto_book_create(max_price: u64, max_quantity: u64, book: *mut *mut Handle) -> i32 {
    if book.is_null() {
        return Error::Null as i32;
    }
    match catch_unwind(|| CheckedBook::new(max_price, max_quantity).map(|book| Box::new(Handle::new(book)))) {
        Ok(Ok(made)) => {
            // SAFETY: not null, and the caller promised that it may be written.
            unsafe { book.write(Box::into_raw(made)) };
            abi::OK
        }
        Ok(Err(error)) => error as i32,
        Err(_) => Error::Panic as i32,
    }
}

/// Frees a book.
///
/// # Safety
/// `book` is null, or came from [`rialto_book_create`] and was not freed; nobody uses it afterwards,
/// unless the answer is [`Error::Busy`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rialto_book_free(book: *mut Handle) -> i32 {
    // SAFETY: the caller's promise is the one that is asked for.
    match unsafe { handle(book) } {
        Err(_) => return abi::OK,
        Ok(handle) if handle.reporting.get() => return Error::Busy as i32,
        Ok(_) => {}
    }
    // SAFETY: `Box::into_raw` gave the pointer in `rialto_book_create`, it was not freed before by the
    // caller's promise, and no reference is left: none outlives a call, and no call is under way.
    let book = unsafe { Box::from_raw(book) };
    match catch_unwind(AssertUnwindSafe(|| drop(book))) {
        Ok(()) => abi::OK,
        Err(_) => Error::Panic as i32,
    }
}

/// Sets where reports go.
///
/// # Safety
/// As for [`rialto_book_cancel`]; and `callback` may be called with any report and `user_data`, neither
/// throws nor jumps out, and stays valid until another one is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rialto_book_on_report(
    book: *mut Handle,
    callback: ReportCallback,
    user_data: *mut c_void,
) -> i32 {
    // SAFETY: the caller's promise is the one that is asked for.
    let handle = match unsafe { handle(book) } {
        Ok(handle) => handle,
        Err(error) => return error as i32,
    };
    handle.guard(|| {
        if handle.reporting.get() {
            return Err(Error::Busy);
        }
        handle.callback.set(callback);
        handle.user_data.set(user_data);
        Ok(abi::OK)
    })
}

/// Brings an order in.
///
/// # Safety
/// As for [`rialto_book_cancel`]; and `order` is null or points to an order that nobody changes meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rialto_book_submit(book: *mut Handle, order: *const Order) -> i32 {
    // SAFETY: if it is not null, the caller promised an order there that nobody changes during the call. All
    // its bits are valid numbers.
    let Some(order) = (unsafe { order.as_ref() }) else { return Error::Null as i32 };
    // SAFETY: the caller's promise is the one that is asked for.
    unsafe { command(book, |book| book.submit(order)) }
}

/// Takes an order out.
///
/// # Safety
/// `book` is null, or came from [`rialto_book_create`] and was not freed; no other thread uses it
/// meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rialto_book_cancel(book: *mut Handle, id: u64) -> i32 {
    // SAFETY: the caller's promise is the one that is asked for.
    unsafe {
        command(book, |book| {
            book.cancel(OrderId(id));
            Ok(())
        })
    }
}

/// Gives an order a new price and a new open quantity.
///
/// # Safety
/// As for [`rialto_book_cancel`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rialto_book_modify(book: *mut Handle, id: u64, price: u64, quantity: u64) -> i32 {
    // SAFETY: the caller's promise is the one that is asked for.
    unsafe { command(book, |book| book.modify(OrderId(id), Price(price), Quantity(quantity))) }
}

/// Lowers what is open of an order.
///
/// # Safety
/// As for [`rialto_book_cancel`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rialto_book_reduce(book: *mut Handle, id: u64, quantity: u64) -> i32 {
    // SAFETY: the caller's promise is the one that is asked for.
    unsafe { command(book, |book| book.reduce(OrderId(id), Quantity(quantity))) }
}

/// The highest bid.
///
/// # Safety
/// As for [`rialto_book_cancel`]; and the other pointers are null or may be written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rialto_book_best_bid(book: *const Handle, price: *mut u64, quantity: *mut u64) -> i32 {
    // SAFETY: the caller's promise is the one that is asked for.
    unsafe { query(book, [price, quantity], |book| Ok(best(book, Side::Buy))) }
}

/// The lowest ask.
///
/// # Safety
/// As for [`rialto_book_best_bid`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rialto_book_best_ask(book: *const Handle, price: *mut u64, quantity: *mut u64) -> i32 {
    // SAFETY: the caller's promise is the one that is asked for.
    unsafe { query(book, [price, quantity], |book| Ok(best(book, Side::Sell))) }
}

/// All that rests at a price.
///
/// # Safety
/// As for [`rialto_book_best_bid`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rialto_book_depth(book: *const Handle, side: u32, price: u64, quantity: *mut u64) -> i32 {
    let depth = |book: &CheckedBook| {
        let side = abi::side(side).ok_or(Error::Invalid)?;
        let Quantity(quantity) = book.book().quantity_at(side, Price(price));
        Ok((quantity != 0).then_some([quantity]))
    };
    // SAFETY: the caller's promise is the one that is asked for.
    unsafe { query(book, [quantity], depth) }
}

/// What is open of an order.
///
/// # Safety
/// As for [`rialto_book_best_bid`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rialto_book_open_quantity(book: *const Handle, id: u64, quantity: *mut u64) -> i32 {
    // SAFETY: the caller's promise is the one that is asked for.
    unsafe { query(book, [quantity], |book| Ok(book.book().remaining(OrderId(id)).map(|open| [open.0]))) }
}

/// How many orders rest.
///
/// # Safety
/// As for [`rialto_book_best_bid`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn rialto_book_orders(book: *const Handle, count: *mut u64) -> i32 {
    let orders = |book: &CheckedBook| {
        let count = book.book().len() as u64;
        Ok((count != 0).then_some([count]))
    };
    // SAFETY: the caller's promise is the one that is asked for.
    unsafe { query(book, [count], orders) }
}

fn best(book: &CheckedBook, side: Side) -> Option<[u64; 2]> {
    book.book().best(side).map(|(price, quantity)| [price.0, quantity.0])
}

#[cfg(test)]
mod tests {
    use super::*;

    extern "C" fn ignore(_: *const Report, _: *mut c_void) {}

    #[test]
    fn a_panic_becomes_a_code_and_poisons_the_book() {
        let mut book = std::ptr::null_mut();
        // SAFETY: `book` may be written; the pointer is used by this thread until it is freed below.
        unsafe {
            assert_eq!(rialto_book_create(100, 100, &raw mut book), abi::OK);
            let order = Order { id: 1, price: 10, quantity: 10, ..Order::default() };
            assert_eq!(rialto_book_submit(book, &raw const order), abi::OK);
            assert_eq!(command(book, |_| panic!("a bug of the engine")), Error::Panic as i32);

            let (mut one, mut two) = (7, 7);
            let poisoned = Error::Poisoned as i32;
            assert_eq!(rialto_book_on_report(book, Some(ignore), std::ptr::null_mut()), poisoned);
            assert_eq!(rialto_book_submit(book, &raw const order), poisoned);
            assert_eq!(rialto_book_cancel(book, 1), poisoned);
            assert_eq!(rialto_book_modify(book, 1, 10, 5), poisoned);
            assert_eq!(rialto_book_reduce(book, 1, 5), poisoned);
            assert_eq!(rialto_book_best_bid(book, &raw mut one, &raw mut two), poisoned);
            assert_eq!(rialto_book_best_ask(book, &raw mut one, &raw mut two), poisoned);
            assert_eq!(rialto_book_depth(book, 0, 10, &raw mut one), poisoned);
            assert_eq!(rialto_book_open_quantity(book, 1, &raw mut one), poisoned);
            assert_eq!(rialto_book_orders(book, &raw mut one), poisoned);
            assert_eq!((one, two), (7, 7));
            assert_eq!(rialto_book_free(book), abi::OK);
        }
    }
}
