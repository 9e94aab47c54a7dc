"""What a lesson's notebook imports. It stands alone: nothing here needs the rest of roadmap."""

from roadmap.practice.packages import fresh_package
from roadmap.practice.quiz import quiz

__all__ = ["fresh_package", "quiz"]
