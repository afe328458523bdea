using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;
using Crosscore.HazardPointers;
using Crosscore.Rcu;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Rcu;
using Crosscore.Tests.Sandbox;

namespace Crosscore.Tests.HazardPointers;

/// <summary>The domain of the process serves callers that do not know each other: neither their locks nor their
/// exceptions meet, and nothing is lost when the process ends.</summary>
public sealed class HazardDefaultTests
{
    private const int Many = 5000; // beyond any threshold

    [Fact]
    public void Callbacks_of_the_default_domain_never_run_on_a_thread_that_retires()
    {
        HashSet<Thread> threads = [];
        int calls = 0;
        for (int index = 0; index < Many; index++)
        {
            HazardDomain.Default.Retire(new object(), Note, bytes: 1000);
        }

        HazardDomain.Default.RetireAll<object>([.. Enumerable.Range(0, Many).Select(_ => new object())], Note);
        Background.Until(() => Volatile.Read(ref calls) == 2 * Many);
        lock (threads)
        {
            Assert.DoesNotContain(Thread.CurrentThread, threads);
        }

        void Note(object value)
        {
            lock (threads)
            {
                _ = threads.Add(Thread.CurrentThread);
            }

            Interlocked.Increment(ref calls);
        }
    }

    [Fact]
    public void Callbacks_that_take_a_lock_do_not_meet_the_locks_of_others_that_retire()
    {
        object first = new();
        object second = new();
        using var holdsSecond = new ManualResetEventSlim();
        using var mayRetire = new ManualResetEventSlim();
        int calls = 0;
        Background library;
        lock (first)
        {
            library = new Background(() =>
            {
                lock (second)
                {
                    holdsSecond.Set();
                    mayRetire.Wait();
                    for (int index = 0; index < Many; index++)
                    {
                        HazardDomain.Default.Retire(new object(), _ => Interlocked.Increment(ref calls));
                    }
                }
            });
            holdsSecond.Wait(TestContext.Current.CancellationToken);
            HazardDomain.Default.Retire(
                new object(),
                _ =>
                {
                    lock (first)
                    {
                        Interlocked.Increment(ref calls);
                    }
                }
            );
            mayRetire.Set();
            Assert.True(
                Monitor.TryEnter(second, Background.Bound),
                "The thread that retires runs the callback of another, under its own lock."
            );
            Monitor.Exit(second);
        }

        library.Join();
        Background.Until(() => Volatile.Read(ref calls) == Many + 1);
    }

    [Fact]
    public void What_callbacks_of_the_default_domain_throw_meets_no_other_caller()
    {
        int calls = 0;
        for (int index = 0; index < 10; index++)
        {
            HazardDomain.Default.Retire(
                new object(),
                _ =>
                {
                    Interlocked.Increment(ref calls);
                    throw new NotSupportedException("another library's");
                }
            );
        }

        _ = HazardDomain.Default.Reclaim();
        for (int index = 0; index < Many; index++)
        {
            HazardDomain.Default.Retire(new object(), _ => { });
        }

        Background.Until(() => Volatile.Read(ref calls) == 10);
        _ = HazardDomain.Default.Reclaim();
    }

    [Fact]
    public void What_was_retired_to_the_default_domain_is_reclaimed_when_the_process_ends()
    {
        ChildResult result = ChildProcess.RunThisProgram(Child.EndWithHazards);
        Assert.Equal(0, result.Status);
        string[] lines = result.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(["cohort", "ends", "nested", "object", "pointer"], lines.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_callback_that_does_not_return_holds_the_end_of_the_process_up_for_a_moment_only()
    {
        ChildResult result = ChildProcess.RunThisProgram(Child.EndWithHazardThatHangs);
        Assert.Equal(0, result.Status);
        Assert.Equal("ends\n", result.Text);
    }

    [Fact]
    public void A_callback_may_end_the_process()
    {
        ChildResult result = ChildProcess.RunThisProgram(Child.EndByHazard);
        Assert.Equal(3, result.Status);
    }

    [Fact]
    public void A_plug_in_that_used_the_default_domain_can_be_unloaded()
    {
        int calls = 0;
        WeakReference context = UseAndUnload(_ => Interlocked.Increment(ref calls));
        Background.Until(() =>
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            return !context.IsAlive;
        });
        Assert.Equal(1, calls);
    }

    [Fact]
    public void What_is_retired_at_the_end_of_the_process_into_another_default_domain_is_reclaimed()
    {
        ChildResult result = ChildProcess.RunThisProgram(Child.EndWithLateDefault);
        Assert.Equal(0, result.Status);
        Assert.Equal("RCU\nhazards\nRCU again\n", result.Text);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference UseAndUnload(Action<object> reclaim)
    {
        var context = new AssemblyLoadContext("a plug-in", isCollectible: true);
        Type domain = context
            .LoadFromAssemblyPath(typeof(HazardDomain).Assembly.Location)
            .GetType(typeof(HazardDomain).FullName!)!;
        object own = domain.GetProperty(nameof(HazardDomain.Default))!.GetValue(null)!;
        Assert.NotSame(HazardDomain.Default, own);
        MethodInfo retire = domain
            .GetMethods()
            .Single(method => method.Name == nameof(HazardDomain.Retire) && method.IsGenericMethod);
        _ = retire.MakeGenericMethod(typeof(object)).Invoke(own, [new object(), reclaim, 0L, null]);
        context.Unload();
        return new WeakReference(context);
    }

    /// <summary>What the children do.</summary>
    internal static void RunEnd()
    {
        HazardCohort cohort = HazardDomain.Default.CreateCohort();
        HazardDomain.Default.Retire(new object(), _ => Print("object"));
        HazardDomain.Default.Retire(64, _ => Print("pointer"));
        HazardDomain.Default.Retire(new object(), _ => Print("cohort"), cohort: cohort);
        HazardDomain.Default.Retire(new object(), _ => HazardDomain.Default.Retire(new object(), _ => Print("nested")));
        object? held = new();
        _ = HazardDomain.Default.Acquire().Protect(ref held); // by the main thread, which never lets go
        HazardDomain.Default.Retire(held!, _ => Print("held"));
        Print("ends");

        static void Print(string line) => Console.WriteLine(line);
    }

    internal static void RunEndThatHangs()
    {
        HazardDomain.Default.Retire(new object(), _ => Thread.Sleep(Timeout.Infinite));
        Console.WriteLine("ends");
    }

    internal static void RunEndByCallback()
    {
        HazardDomain.Default.Retire(new object(), _ => Environment.Exit(3));
        Thread.Sleep(Timeout.Infinite);
    }

    internal static void RunEndWithLateDefault() =>
        RcuDomain.Default.Retire(
            0,
            _ =>
            {
                Console.WriteLine("RCU");
                HazardDomain.Default.Retire(
                    new object(),
                    _ =>
                    {
                        Console.WriteLine("hazards");
                        RcuDomain.Default.Retire(0, _ => Console.WriteLine("RCU again"));
                    }
                );
            }
        );
}
