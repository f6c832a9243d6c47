"""Budgets that hold: the electrical tree, policies, the controller, the guard, actuators and the audit trail."""
