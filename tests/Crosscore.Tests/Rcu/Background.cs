namespace Crosscore.Tests.Rcu;

/// <summary>A thread that does what it is told and hands back what it threw.</summary>
internal sealed class Background : IDisposable
{
    /// <summary>Only keeps a test that hangs from hanging the others.</summary>
    public static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);

    private Exception? _failure;

    public Background(Action action)
    {
        Thread = new Thread(() =>
        {
            try
            {
                action();
            }
            catch (Exception failure)
            {
                _failure = failure;
            }
        })
        {
            IsBackground = true,
        };
        Thread.Start();
    }

    public Thread Thread { get; }

    public void Join()
    {
        Assert.True(Thread.Join(Bound), "The thread was still running.");
        if (_failure is { } failure)
        {
            throw new InvalidOperationException("A thread of the test failed.", failure);
        }
    }

    public void Dispose() => Join();

    public static void Until(Func<bool> condition) =>
        Assert.True(SpinWait.SpinUntil(condition, Bound), "What was waited for did not come.");

    /// <summary>
    /// Waits on this thread, on purpose without its token: what ends the task must not need this thread.
    /// </summary>
    public static void AssertEnds(Task task) => Assert.True(task.Wait(Bound), "The task did not end.");
}
