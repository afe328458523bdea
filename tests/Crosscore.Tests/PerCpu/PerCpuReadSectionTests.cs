using Crosscore.PerCpu;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Rcu;
using Crosscore.Tests.Sandbox;

namespace Crosscore.Tests.PerCpu;

/// <summary>Read sections that cross await, and writers that wait for them.</summary>
public sealed class PerCpuReadSectionTests
{
    public static TheoryData<bool> Ways => RestartableSequences.IsAvailable ? [true, false] : [false];

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task A_writer_waits_for_a_section_that_ends_on_another_thread(bool useSections)
    {
        var sections = new PerCpuReadDomain(useSections);
        await sections.SynchronizeAsync(TestContext.Current.CancellationToken);
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var inside = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Task reading = Read();
        await inside.Task;
        Assert.Equal(1, sections.Readers);

        Task writing = Task.Run(
            () => sections.Synchronize(TestContext.Current.CancellationToken),
            TestContext.Current.CancellationToken
        );
        Task writingToo = sections.SynchronizeAsync(TestContext.Current.CancellationToken);
        // New readers come and go concurrently and keep no writer waiting.
        for (int i = 0; i < 1000; i++)
        {
            sections.EnterReadSection().Dispose();
        }

        Assert.False(writing.IsCompleted || writingToo.IsCompleted);
        go.SetResult();
        await writing;
        await writingToo;
        await reading;
        Assert.Equal(0, sections.Readers);

        async Task Read()
        {
            using PerCpuReadSection reader = sections.EnterReadSection();
            inside.SetResult();
            await go.Task;
            await Task.Yield();
        }
    }

    /// <summary>
    /// A writer replaces and poisons what readers read; a reader that ever sees poison has been freed under its feet.
    /// </summary>
    [Theory]
    [MemberData(nameof(Ways))]
    public void No_reader_sees_what_was_freed(bool useSections) =>
        Assert.Equal(
            0,
            PoisonSeen(useSections, sections => sections.Synchronize(TestContext.Current.CancellationToken))
        );

    /// <summary>The control: a writer that does not wait.</summary>
    [Theory]
    [MemberData(nameof(Ways))]
    public void Without_waiting_readers_see_poison(bool useSections)
    {
        long seen = 0;
        for (int round = 0; round < Sizes.ControlRounds && seen == 0; round++)
        {
            seen = PoisonSeen(useSections, _ => { });
        }

        Assert.NotEqual(0, seen);
    }

    [Fact]
    public async Task Waiting_can_be_canceled_and_begun_again()
    {
        var sections = new PerCpuReadDomain();
        PerCpuReadSection reader = sections.EnterReadSection();
        using var cancellation = new CancellationTokenSource();
        Task waiting = sections.SynchronizeAsync(cancellation.Token);
        await cancellation.CancelAsync();
        _ = await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        Task again = sections.SynchronizeAsync(TestContext.Current.CancellationToken);
        Assert.False(again.IsCompleted);
        reader.Dispose();
        await again;
    }

    /// <summary>
    /// The wait of those who were canceled ends, and no other: the grace period belongs to all who asked for it.
    /// </summary>
    [Theory]
    [MemberData(nameof(Ways))]
    public void A_caller_that_is_canceled_leaves_the_grace_period_to_the_others(bool useSections)
    {
        var sections = new PerCpuReadDomain(useSections);
        PerCpuReadSection reader = sections.EnterReadSection();
        using var cancellation = new CancellationTokenSource();
        Task first = sections.SynchronizeAsync(cancellation.Token);
        Task second = sections.SynchronizeAsync(TestContext.Current.CancellationToken);
        using var blocked = new Background(() => sections.Synchronize(CancellationToken.None));
        using var canceled = new Background(() =>
            Assert.ThrowsAny<OperationCanceledException>(() => sections.Synchronize(cancellation.Token))
        );
        cancellation.Cancel();
        _ = Assert.Throws<TaskCanceledException>(first.GetAwaiter().GetResult);
        canceled.Join();
        Assert.True(sections.SynchronizeAsync(cancellation.Token).IsCanceled);
        _ = Assert.ThrowsAny<OperationCanceledException>(() => sections.Synchronize(cancellation.Token));
        Assert.False(second.IsCompleted);
        Assert.True(blocked.Thread.IsAlive);
        reader.Dispose();
        Background.AssertEnds(second);
        blocked.Join();
    }

    [Fact]
    public void A_pool_of_few_threads_is_enough_for_those_who_block_on_grace_periods_of_read_sections()
    {
        ChildResult child = ChildProcess.RunThisProgram(Child.WaitForPerCpuReaders);
        Assert.True(child.Status == 0, child.Errors);
        Assert.Equal(
            "SynchronizeAsync: all returned\nSynchronizeAsync with a token: all returned\n"
                + "SynchronizeAsync, asked for twice: all returned",
            child.Text.Trim()
        );
    }

    public static TheoryData<string> Waits => ["Synchronize", "Synchronize with a token", "SynchronizeAsync"];

    [Theory]
    [MemberData(nameof(Waits))]
    public void A_grace_period_that_fails_tells_every_caller_and_the_next_one_runs(string wait)
    {
        using var cancellation = new CancellationTokenSource();
        Action<PerCpuReadDomain> synchronize = wait switch
        {
            "Synchronize" => sections => sections.Synchronize(CancellationToken.None),
            "SynchronizeAsync" => sections =>
                sections.SynchronizeAsync(CancellationToken.None).GetAwaiter().GetResult(),
            _ => sections => sections.Synchronize(cancellation.Token),
        };
        var sections = new PerCpuReadDomain();
        PerCpuReadSection reader = sections.EnterReadSection();
        PerCpuReadSection copy = reader;
        reader.Dispose();
        copy.Dispose();
        Background[] callers =
        [
            .. Enumerable
                .Range(0, 3)
                .Select(caller => new Background(() =>
                {
                    for (int again = 0; again < 100; again++)
                    {
                        _ = Assert.Throws<InvalidOperationException>(() => synchronize(sections));
                    }
                })),
        ];
        Array.ForEach(callers, thread => thread.Join());
    }

    [Fact]
    public void Sections_that_end_twice_are_noticed()
    {
        var sections = new PerCpuReadDomain();
        PerCpuReadSection reader = sections.EnterReadSection();
        PerCpuReadSection copy = reader;
        reader.Dispose();
        reader.Dispose(); // does nothing any more
        default(PerCpuReadSection).Dispose();
        copy.Dispose();
        Assert.Contains(
            "copied",
            Assert
                .Throws<InvalidOperationException>(() => sections.Synchronize(TestContext.Current.CancellationToken))
                .Message,
            StringComparison.Ordinal
        );
    }

    private static long PoisonSeen(bool useSections, Action<PerCpuReadDomain> wait)
    {
        const long Good = 1,
            Poison = 2;
        var sections = new PerCpuReadDomain(useSections);
        long[] cells = new long[17]; // the first and the last, in different cache lines
        (cells[0], cells[16]) = (Good, Good);
        int current = 0;
        bool over = false;
        long seen = 0,
            turns = 0;
        Threads.Run(
            Threads.Cpus.Length + 1,
            number =>
            {
                if (number > 0)
                {
                    while (!Volatile.Read(ref over))
                    {
                        using PerCpuReadSection reader = sections.EnterReadSection();
                        int cell = Volatile.Read(ref current);
                        Thread.SpinWait(5);
                        if (Volatile.Read(ref cells[cell]) != Good)
                        {
                            Interlocked.Increment(ref seen);
                        }

                        Volatile.Write(ref turns, turns + 1); // any reader's: it changes
                    }

                    return;
                }

                for (int i = 0; i < Sizes.Exchanges; i++)
                {
                    long before = Volatile.Read(ref turns);
                    while (Volatile.Read(ref turns) == before)
                    {
                        Thread.Yield(); // no reader is running
                    }

                    int old = current;
                    Volatile.Write(ref current, 16 - old);
                    wait(sections);
                    Volatile.Write(ref cells[old], Poison);
                    Thread.SpinWait(20);
                    Volatile.Write(ref cells[old], Good);
                }

                Volatile.Write(ref over, true);
            }
        );
        return seen;
    }
}
