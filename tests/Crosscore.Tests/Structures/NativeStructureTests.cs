using System.Runtime.InteropServices;
using Crosscore.HazardPointers;
using Crosscore.Structures;
using FsCheck;
using FsCheck.Fluent;

namespace Crosscore.Tests.Structures;

/// <summary>
/// The stack and the queue of native nodes: against sequential ones, and under stress with poisoned nodes.
/// </summary>
public sealed unsafe class NativeStructureTests
{
    private const long Poison = unchecked((long)0xDEAD_DEAD_DEAD_DEAD);
    private static readonly TimeSpan Time = TimeSpan.FromSeconds(2);

    [Fact]
    public void The_examples_of_the_documentation_run()
    {
        // shown
        using var work = new NativeQueue<(int From, int To)>();
        work.Enqueue((1, 10));
        work.Enqueue((11, 20));
        Assert.True(work.TryDequeue(out (int From, int To) first) && first.From == 1);

        using var free = new NativeStack<nint>();
        free.Push(0x1000);
        Assert.True(free.TryPop(out nint page) && page == 0x1000);
        Assert.False(free.TryPop(out _));
        // end
    }

    [Fact]
    public void The_stack_does_what_a_sequential_one_does() =>
        Check.One(
            Config.QuickThrowOnFailure.WithMaxTest(300).WithQuietOnSuccess(true),
            Prop.ForAll(
                ArbMap.Default.ArbFor<int[]>(),
                operations =>
                {
                    using var domain = new HazardDomain(scanThreshold: 2);
                    using var stack = new NativeStack<int>(domain);
                    var expected = new Stack<int>();
                    foreach (int operation in operations)
                    {
                        if (operation % 3 != 0)
                        {
                            stack.Push(operation);
                            expected.Push(operation);
                        }
                        else
                        {
                            Assert.Equal(expected.TryPop(out int value), stack.TryPop(out int popped));
                            Assert.Equal(value, popped);
                        }

                        Assert.Equal(expected.Count == 0, stack.IsEmpty);
                    }
                }
            )
        );

    [Fact]
    public void The_queue_does_what_a_sequential_one_does() =>
        Check.One(
            Config.QuickThrowOnFailure.WithMaxTest(300).WithQuietOnSuccess(true),
            Prop.ForAll(
                ArbMap.Default.ArbFor<int[]>(),
                operations =>
                {
                    using var domain = new HazardDomain(scanThreshold: 2);
                    using var queue = new NativeQueue<int>(domain);
                    var expected = new Queue<int>();
                    foreach (int operation in operations)
                    {
                        if (operation % 3 != 0)
                        {
                            queue.Enqueue(operation);
                            expected.Enqueue(operation);
                        }
                        else
                        {
                            Assert.Equal(expected.TryDequeue(out int value), queue.TryDequeue(out int taken));
                            Assert.Equal(value, taken);
                        }
                    }
                }
            )
        );

    [Fact]
    public void Every_value_pushed_is_popped_once_and_no_freed_node_is_met()
    {
        using var nodes = new PoisonedNodes();
        using var domain = new HazardDomain(scanThreshold: 4);
        long pushed = 0;
        long pushedSum = 0;
        long popped = 0;
        long poppedSum = 0;
        using (var stack = new NativeStack<long>(domain, nodes.Free))
        {
            void PushAndPop(Workers workers)
            {
                while (workers.Continue)
                {
                    for (int count = 0; count < 3; count++)
                    {
                        long value = Interlocked.Increment(ref pushed);
                        Interlocked.Add(ref pushedSum, value);
                        stack.Push(value);
                    }

                    for (int count = 0; count < 3; count++)
                    {
                        if (stack.TryPop(out long value))
                        {
                            Assert.True(value > 0, "a freed node was popped");
                            Interlocked.Increment(ref popped);
                            Interlocked.Add(ref poppedSum, value);
                        }
                    }
                }
            }

            Workers.Run(Time, PushAndPop, PushAndPop, PushAndPop, Churn(PushAndPop));
            while (stack.TryPop(out long value))
            {
                popped++;
                poppedSum += value;
            }
        }

        Assert.Equal(pushed, popped);
        Assert.Equal(pushedSum, poppedSum);
        Assert.Equal(pushed, nodes.Freed);
    }

    [Fact]
    public void Values_leave_the_queue_once_and_in_the_order_of_each_producer()
    {
        const int Producers = 2;
        using var nodes = new PoisonedNodes();
        using var domain = new HazardDomain(scanThreshold: 4);
        long[] produced = new long[Producers];
        long consumed = 0;
        using (var queue = new NativeQueue<(int Producer, long Number)>(domain, nodes.Free))
        {
            void Produce(Workers workers, int producer)
            {
                while (workers.Continue)
                {
                    queue.Enqueue((producer, ++produced[producer]));
                    if (produced[producer] - (Volatile.Read(ref consumed) / Producers) > 1000)
                    {
                        Thread.Yield();
                    }
                }
            }

            void Consume(Workers workers)
            {
                long[] newest = new long[Producers];
                while (workers.Continue)
                {
                    if (queue.TryDequeue(out (int Producer, long Number) value))
                    {
                        Assert.InRange(value.Producer, 0, Producers - 1);
                        Assert.True(
                            value.Number > newest[value.Producer],
                            "two values of a producer changed places, or a freed node was met"
                        );
                        newest[value.Producer] = value.Number;
                        Interlocked.Increment(ref consumed);
                    }
                }
            }

            Workers.Run(
                Time,
                workers => Produce(workers, 0),
                workers => Produce(workers, 1),
                Consume,
                Consume,
                Churn(Consume)
            );
            while (queue.TryDequeue(out _))
            {
                consumed++;
            }
        }

        Assert.Equal(produced.Sum(), consumed);
        Assert.Equal(consumed + 1, nodes.Freed); // and the node before the first value
    }

    [Fact]
    public void Disposing_frees_what_is_left_and_what_was_taken_and_later_uses_throw()
    {
        using var nodes = new PoisonedNodes();
        using var domain = new HazardDomain();
        var stack = new NativeStack<int>(domain, nodes.Free);
        var queue = new NativeQueue<int>(domain, nodes.Free);
        for (int value = 0; value < 10; value++)
        {
            stack.Push(value);
            queue.Enqueue(value);
        }

        Assert.True(stack.TryPop(out int top));
        Assert.Equal(9, top);
        Assert.True(queue.TryDequeue(out int oldest));
        Assert.Equal(0, oldest);
        Assert.Equal(0, nodes.Freed);
        stack.Dispose();
        Assert.Equal(10, nodes.Freed);
        queue.Dispose();
        Assert.Equal(21, nodes.Freed);
        stack.Dispose();
        queue.Dispose();
        Assert.Throws<ObjectDisposedException>(() => stack.Push(1));
        Assert.Throws<ObjectDisposedException>(() => stack.TryPop(out _));
        Assert.Throws<ObjectDisposedException>(() => queue.Enqueue(1));
        Assert.Throws<ObjectDisposedException>(() => queue.TryDequeue(out _));
    }

    // The same by threads that live for a moment only.
    private static Action<Workers> Churn(Action<Workers> body) =>
        workers =>
        {
            while (workers.Continue)
            {
                Workers.Run(TimeSpan.FromMilliseconds(5), body);
                GC.Collect();
            }
        };

    /// <summary>
    /// Poisons a node before it frees it; and frees the latest ones later, so that a mistake meets poison and not
    /// memory of another owner.
    /// </summary>
    private sealed class PoisonedNodes : IDisposable
    {
        private const int Late = 4096;
        private readonly Queue<nint> _late = [];

        public long Freed { get; private set; }

        public void Free(nint node)
        {
            lock (_late)
            {
                // SAFETY: the nodes of these tests have at least two words, and no thread uses this one any more, which
                // is what is being tested.
                Assert.NotEqual(Poison, ((long*)node)[1]);
                ((long*)node)[0] = ((long*)node)[1] = Poison;
                Freed++;
                _late.Enqueue(node);
                if (_late.Count > Late)
                {
                    NativeMemory.Free((void*)_late.Dequeue());
                }
            }
        }

        public void Dispose()
        {
            while (_late.TryDequeue(out nint node))
            {
                NativeMemory.Free((void*)node);
            }
        }
    }
}
