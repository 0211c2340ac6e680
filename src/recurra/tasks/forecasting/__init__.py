"""Forecasting: from one or many time series to the next values of each."""

from recurra.tasks.forecasting.settings import Forecasting

__all__ = ["Forecasting"]
