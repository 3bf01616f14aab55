"""The types of a query: which value each construct takes, in Prometheus' words.

A pure function over the tree. It also settles what only types decide: a binary expression of which one side is a
scalar has no vector matching, and set operators match many to many.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pyscrape.model.names import quoted
from pyscrape.promql import ast
from pyscrape.promql.faults import Fault
from pyscrape.promql.signatures import Signature, ValueType
from pyscrape.promql.trampoline import Task, run

_SPACES = " \t\n\r"
_NUMERIC = (ValueType.SCALAR, ValueType.VECTOR)


def check_types(query: str, tree: ast.Expr) -> tuple[ast.Expr, list[Fault]]:
    """The settled tree and everything that is wrong with it, in Prometheus' order."""
    checker = _Checker(query)
    checked = run(checker.whole(tree))
    return checked, checker.faults


class _Checker:
    def __init__(self, query: str) -> None:
        self.query = query
        self.faults: list[Fault] = []

    def fault(self, node: ast.Node, message: str) -> None:
        self.faults.append(Fault(node.start, node.end, message))

    def whole(self, tree: ast.Expr) -> Task[ast.Expr]:
        checked: ast.Expr = yield self.visit(tree)
        return checked

    def visit(self, node: ast.Expr) -> Task[ast.Expr] | ast.Expr:
        rule = _RULES.get(type(node))
        return node if rule is None else rule(self, node)

    def expect(self, node: ast.Expr, wanted: ValueType, context: str) -> Task[ast.Expr]:
        checked: ast.Expr = yield self.visit(node)
        if checked.type is not wanted:
            self.fault(node, f"expected type {wanted.documented} in {context}, got {checked.type.documented}")
        return checked

    def aggregation(self, node: ast.AggregateExpr) -> Task[ast.Expr]:
        expr = yield self.expect(node.expr, ValueType.VECTOR, "aggregation expression")
        param = node.param
        if param is not None:
            wanted = ValueType.STRING if node.op == "count_values" else ValueType.SCALAR
            param = yield self.expect(param, wanted, "aggregation parameter")
        return replace(node, expr=expr, param=param)

    def binary(self, node: ast.BinaryExpr) -> Task[ast.Expr]:
        lhs: ast.Expr = yield self.visit(node.lhs)
        rhs: ast.Expr = yield self.visit(node.rhs)
        matching = node.matching or ast.VectorMatching()
        if node.op in ast.SET_OPERATORS and matching.card is ast.Cardinality.ONE_TO_ONE:
            matching = replace(matching, card=ast.Cardinality.MANY_TO_MANY)
        self.check_operator(node, matching)
        for side in (lhs, rhs):
            if side.type not in _NUMERIC:
                self.fault(side, "binary expression must contain only scalar and instant vector types")
        filled = matching.fill_left is not None or matching.fill_right is not None
        if lhs.type is not ValueType.VECTOR or rhs.type is not ValueType.VECTOR:
            if matching.labels:
                self.fault(node, "vector matching only allowed between instant vectors")
            if filled:
                self.fault(node, "filling in missing series only allowed between instant vectors")
            if node.op in ast.SET_OPERATORS and ValueType.SCALAR in (lhs.type, rhs.type):
                self.fault(node, f"set operator {quoted(node.op)} not allowed in binary scalar expression")
            return replace(node, lhs=lhs, rhs=rhs, matching=None)
        if node.op in ast.SET_OPERATORS:
            if matching.card is not ast.Cardinality.MANY_TO_MANY:
                self.fault(node, f"no grouping allowed for {quoted(node.op)} operation")
                self.fault(node, "set operations must always be many-to-many")
            if filled:
                self.fault(node, "filling in missing series not allowed for set operators")
        if lhs is node.lhs and rhs is node.rhs and matching is node.matching:
            return node
        return replace(node, lhs=lhs, rhs=rhs, matching=matching)

    def check_operator(self, node: ast.BinaryExpr, matching: ast.VectorMatching) -> None:
        compares = node.op in ast.COMPARISON_OPERATORS
        if node.return_bool and not compares:
            self.operator_fault(node, "bool modifier can only be used on comparison operators")
        if compares and not node.return_bool and node.type is ValueType.SCALAR:
            self.operator_fault(node, "comparisons between scalars must use BOOL modifier")
        for label in matching.labels if matching.on else ():
            for included in matching.include:
                if label == included:
                    self.operator_fault(
                        node, f"label {quoted(label)} must not occur in ON and GROUP clause at once"
                    )

    def operator_fault(self, node: ast.BinaryExpr, message: str) -> None:
        """A fault of what stands between the operands, blanks left out."""
        start, end = node.lhs.end, node.rhs.start - 1
        while self.query[start] in _SPACES:
            start += 1
        while self.query[end] in _SPACES:
            end -= 1
        self.faults.append(Fault(start, end, message))

    def call(self, node: ast.Call) -> Task[ast.Expr]:
        function = node.function
        self.check_count(node, function)
        selects_info = function.name == "info" and len(node.args) > 1
        if selects_info:
            self.check_info_selector(node, node.args[1])
        context = f"call to function {quoted(function.name)}"
        args: list[ast.Expr] = []
        for index, arg in enumerate(node.args):
            if index >= len(function.arg_types) and function.variadic == 0:
                break
            wanted = function.arg_types[min(index, len(function.arg_types) - 1)]
            if selects_info and index == 1 and isinstance(arg, ast.VectorSelector) and not arg.name:
                args.append(arg)  # it may match everything: it only chooses among the info series
                continue
            args.append((yield self.expect(arg, wanted, context)))
        return replace(node, args=tuple(args))

    def check_count(self, node: ast.Call, function: Signature) -> None:
        wanted, count = len(function.arg_types), len(node.args)
        least, most = wanted - 1, wanted - 1 + function.variadic
        call = f"argument(s) in call to {quoted(function.name)}, got {count}"
        if function.variadic == 0:
            if count != wanted:
                self.fault(node, f"expected {wanted} {call}")
        elif count < least:
            self.fault(node, f"expected at least {least} {call}")
        elif function.variadic > 0 and count > most:
            self.fault(node, f"expected at most {most} {call}")

    def check_info_selector(self, node: ast.Call, selector: ast.Expr) -> None:
        if selector.type is not ValueType.VECTOR:
            got = selector.type.documented
            self.fault(node, f'expected type instant vector in call to function "info", got {got}')
        if not isinstance(selector, ast.VectorSelector):
            self.fault(selector, "expected label selectors only")
        elif selector.name:
            self.fault(selector, "expected label selectors only, got vector selector instead")

    def paren(self, node: ast.ParenExpr) -> Task[ast.Expr]:
        expr: ast.Expr = yield self.visit(node.expr)
        return replace(node, expr=expr)

    def unary(self, node: ast.UnaryExpr) -> Task[ast.Expr]:
        expr: ast.Expr = yield self.visit(node.expr)
        if expr.type not in _NUMERIC:
            self.fault(
                node,
                "unary expression only allowed on expressions of type scalar or instant vector, got "
                + quoted(expr.type.documented),
            )
        return replace(node, expr=expr)

    def subquery(self, node: ast.SubqueryExpr) -> Task[ast.Expr]:
        expr: ast.Expr = yield self.visit(node.expr)
        if expr.type is not ValueType.VECTOR:
            self.fault(node, f"subquery is only allowed on instant vector, got {expr.type.value} instead")
        return replace(node, expr=expr)

    def matrix(self, node: ast.MatrixSelector) -> Task[ast.Expr]:
        yield self.visit(node.selector)
        return node

    def vector(self, node: ast.VectorSelector) -> ast.Expr:
        if node.name:
            for matcher in node.matchers[:-1]:
                if matcher.name == "__name__":
                    names = f"{quoted(node.name)} or {quoted(matcher.value)}"
                    self.fault(node, f"metric name must not be set twice: {names}")
        elif all(matcher.matches_empty for matcher in node.matchers):
            self.fault(node, "vector selector must contain at least one non-empty matcher")
        return node


_RULES: dict[type, Callable[[_Checker, Any], Task[ast.Expr] | ast.Expr]] = {
    ast.AggregateExpr: _Checker.aggregation,
    ast.BinaryExpr: _Checker.binary,
    ast.Call: _Checker.call,
    ast.ParenExpr: _Checker.paren,
    ast.UnaryExpr: _Checker.unary,
    ast.SubqueryExpr: _Checker.subquery,
    ast.MatrixSelector: _Checker.matrix,
    ast.VectorSelector: _Checker.vector,
}
