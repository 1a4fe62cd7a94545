# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end and fault tests share: a real cloud in a lab, driven by the playbooks as an operator would."""
