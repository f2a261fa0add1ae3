"""What to match now: tasks, the transformations that vary them, and the schedulers that pick them."""

from biglearn_sampler.tasks.scheduler import AbstractLearningScheduler as AbstractLearningScheduler
from biglearn_sampler.tasks.scheduler import AbstractScheduler as AbstractScheduler
from biglearn_sampler.tasks.scheduler import TaskDraw as TaskDraw
from biglearn_sampler.tasks.task import Task as Task
from biglearn_sampler.tasks.transformation import AbstractTransformation as AbstractTransformation
from biglearn_sampler.tasks.transformation import OrthogonalMap as OrthogonalMap
