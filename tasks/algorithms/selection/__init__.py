"""The orders in which samples are selected: one file an order; `selection.ranking` names one.

A new order is a class as `Order` describes it (`order.py`), in a file of its own, and a line here.
"""

from windrow.tasks.algorithms.selection.balanced_order import BalancedOrder
from windrow.tasks.algorithms.selection.order import Order
from windrow.tasks.algorithms.selection.random_order import RandomOrder

ORDERS: dict[str, type[Order]] = {"balanced": BalancedOrder, "random": RandomOrder}
