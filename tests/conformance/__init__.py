# SPDX-License-Identifier: Apache-2.0
"""What others wrote, read by us."""
