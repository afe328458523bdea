using Crosscore.Threads;

namespace Crosscore.Tests.Threading;

/// <summary>A thread that is started when there is work: no refusal of a start loses the work.</summary>
public sealed class OnDemandThreadTests
{
    private readonly object _gate = new();

    /// <summary>
    /// The shared thread finds the thread while a caller starts it, and leaves the start to that caller, whose start is
    /// refused. Without the retry no thread would come.
    /// </summary>
    [Fact]
    public void A_start_that_is_refused_to_a_caller_is_tried_again_although_the_shared_thread_relied_on_it()
    {
        using var ran = new ManualResetEventSlim();
        using var asked = new ManualResetEventSlim();
        int starts = 0;
        OnDemandThread? thread = null;
        thread = new OnDemandThread(
            _gate,
            "of a test",
            () =>
            {
                lock (_gate)
                {
                    thread!.Leave();
                }

                ran.Set();
            },
            refused: null,
            start: created =>
            {
                if (Interlocked.Increment(ref starts) == 1)
                {
                    // Work of the shared thread that was added before this one is done: it has met the thread that is
                    // being started.
                    SharedThread.Add(new Signal(asked));
                    asked.Wait();
                    throw new InsufficientMemoryException("refused by the test");
                }

                created.UnsafeStart();
            }
        );
        Assert.Null(thread.StartLater());
        Exception? obstacle = thread.StartNow();
        Assert.True(ran.Wait(TimeSpan.FromSeconds(60)), $"no thread came; the caller was told {obstacle}");
    }

    /// <summary>
    /// The same without another request: the caller learns of the refusal, and the shared thread tries again.
    /// </summary>
    [Fact]
    public void A_caller_whose_start_is_refused_is_told_and_the_shared_thread_tries_again()
    {
        using var ran = new ManualResetEventSlim();
        int starts = 0;
        Exception? told = null;
        var thread = new OnDemandThread(
            _gate,
            "of a test",
            ran.Set,
            refused: obstacle => told = obstacle,
            start: created =>
            {
                if (Interlocked.Increment(ref starts) == 1)
                {
                    throw new InsufficientMemoryException("refused by the test");
                }

                created.UnsafeStart();
            }
        );
        Exception? obstacle = thread.StartNow();
        Assert.IsType<InsufficientMemoryException>(obstacle);
        Assert.Same(obstacle, told);
        Assert.True(ran.Wait(TimeSpan.FromSeconds(60)), "no thread came");
    }

    /// <summary>Says that the shared thread has reached it, some steps later than what was added before.</summary>
    private sealed class Signal(ManualResetEventSlim reached) : IStepped
    {
        private int _steps;

        public int Step()
        {
            if (_steps++ < 5)
            {
                return 1;
            }

            reached.Set();
            return SharedThread.Done;
        }
    }
}
