using Crosscore.Linux;
using static Crosscore.Linux.MembarrierCall;

namespace Crosscore.Tests.Fences;

/// <summary>The ABI's traps, against kernels and sandboxes that are not here.</summary>
public sealed class MembarrierSessionTests
{
    private const MembarrierRegistrations Everything =
        MembarrierRegistrations.GlobalExpedited
        | MembarrierRegistrations.PrivateExpedited
        | MembarrierRegistrations.SyncCore
        | MembarrierRegistrations.RestartSequences;

    [Fact]
    public void An_RSEQ_that_query_forgets_is_found()
    {
        // Linux 5.10 to 5.16.
        var kernel = new FakeKernel(FakeKernel.Linux510)
        {
            Forgotten = MembarrierCommands.PrivateExpeditedRseq | MembarrierCommands.RegisterPrivateExpeditedRseq,
        };
        var session = new MembarrierSession(kernel);

        Assert.Equal(FakeKernel.Linux510, session.Supported);
        Assert.Equal((int)FakeKernel.Linux416, session.Query("test"));
        Assert.Equal(0, kernel.Ready);
    }

    [Theory]
    [InlineData(FakeKernel.Linux414)]
    [InlineData(FakeKernel.Linux416)]
    [InlineData(FakeKernel.GVisor)]
    [InlineData(FakeKernel.Linux63)]
    [InlineData(MembarrierCommands.Global)]
    public void Nothing_is_found_that_the_kernel_does_not_have(MembarrierCommands commands) =>
        Assert.Equal(commands, new MembarrierSession(new FakeKernel(commands)).Supported);

    [Fact]
    public void What_is_supported_is_asked_once()
    {
        var kernel = new FakeKernel(FakeKernel.Linux63);
        var session = new MembarrierSession(kernel);
        _ = session.Supported;
        kernel.Calls.Clear();

        Assert.Equal(FakeKernel.Linux63, session.Supported);
        Assert.Empty(kernel.Calls);
    }

    [Theory]
    [InlineData(MembarrierRegistrations.SyncCore)]
    [InlineData(MembarrierRegistrations.RestartSequences)]
    public void PRIVATE_is_not_claimed_because_the_kernel_reports_it_after_another_registration(
        MembarrierRegistrations other
    )
    {
        var kernel = new FakeKernel(FakeKernel.Linux63);
        var session = new MembarrierSession(kernel);
        Assert.Null(session.Register("test", other));

        Assert.Equal((int)(other | MembarrierRegistrations.PrivateExpedited), session.GetRegistrations("test"));
        Assert.Equal(other, session.FindRegistered());
    }

    [Theory]
    [InlineData(FakeKernel.Linux63)]
    [InlineData(FakeKernel.Linux510)] // Without GET_REGISTRATIONS.
    public void A_registration_that_another_thread_made_is_found_and_one_that_is_unfinished_is_not(
        MembarrierCommands commands
    )
    {
        var kernel = new FakeKernel(commands);
        kernel.BeginRegistration(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
        var session = new MembarrierSession(kernel);

        Assert.Equal(MembarrierRegistrations.None, session.FindRegistered());
        kernel.FinishRegistration(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
        Assert.Equal(MembarrierRegistrations.PrivateExpedited, session.FindRegistered());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_command_that_succeeds_proves_its_registration(bool onOneCpu)
    {
        var kernel = new FakeKernel(FakeKernel.Linux63);
        kernel.FinishRegistration(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ);
        var session = new MembarrierSession(kernel);
        if (onOneCpu)
        {
            session.RunOn("test", 0);
        }
        else
        {
            session.Run("test", MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ);
        }

        kernel.Calls.Clear();

        Assert.Null(session.Register("test", MembarrierRegistrations.RestartSequences));
        Assert.Empty(kernel.Calls);
    }

    [Fact]
    public void Registering_twice_is_a_cheap_no_op()
    {
        var kernel = new FakeKernel(FakeKernel.Linux63);
        var session = new MembarrierSession(kernel);
        Assert.Null(session.Register("test", Everything));
        Assert.Equal(
            [
                MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED,
                MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
                MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE,
                MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ,
            ],
            kernel.Calls.Select(call => call.Command)
        );
        kernel.Calls.Clear();

        Assert.Null(session.Register("test", Everything));
        Assert.Empty(kernel.Calls);
        Assert.Equal(Everything, session.FindRegistered());
    }

    [Fact]
    public void Threads_that_register_at_once_pay_once_and_none_returns_before_it_is_usable()
    {
        const int Threads = 8;
        var kernel = new FakeKernel(FakeKernel.Linux63);
        var session = new MembarrierSession(kernel);
        using var start = new Barrier(Threads);
        int[] usable = new int[Threads];
        Thread[] threads =
        [
            .. Enumerable
                .Range(0, Threads)
                .Select(i => new Thread(() =>
                {
                    start.SignalAndWait();
                    if (session.Register("test", MembarrierRegistrations.SyncCore) is null)
                    {
                        usable[i] = kernel.Ready;
                    }
                })),
        ];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());

        Assert.All(usable, ready => Assert.Equal(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, ready));
        Assert.Single(kernel.Calls);
    }

    [Fact]
    public void A_refused_registration_keeps_what_succeeded_before_it()
    {
        var session = new MembarrierSession(new FakeKernel(FakeKernel.GVisor));
        MembarrierException refusal = Assert.IsType<MembarrierException>(session.Register("test", Everything));

        Assert.Equal(MembarrierFailure.NotOffered, refusal.Failure);
        Assert.Equal(
            MembarrierRegistrations.GlobalExpedited | MembarrierRegistrations.PrivateExpedited,
            session.FindRegistered()
        );
    }

    [Fact]
    public void What_is_no_registration_is_rejected_without_a_call()
    {
        var kernel = new FakeKernel(FakeKernel.Linux63);
        _ = Assert.Throws<ArgumentOutOfRangeException>(() =>
            new MembarrierSession(kernel).Register("test", (MembarrierRegistrations)MEMBARRIER_CMD_PRIVATE_EXPEDITED)
        );
        Assert.Empty(kernel.Calls);
    }

    [Theory]
    [InlineData(MEMBARRIER_CMD_PRIVATE_EXPEDITED, "Membarrier.Register(MembarrierRegistrations.PrivateExpedited)")]
    [InlineData(MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, "Membarrier.Register(MembarrierRegistrations.SyncCore)")]
    [InlineData(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, "Membarrier.Register(MembarrierRegistrations.RestartSequences)")]
    public void A_forgotten_registration_is_named(int command, string cure)
    {
        var session = new MembarrierSession(new FakeKernel(FakeKernel.Linux63));
        MembarrierException refusal = Assert.Throws<MembarrierException>(() =>
            session.Run("Membarrier.ThisOne()", command)
        );

        Assert.Equal(MembarrierFailure.NotRegistered, refusal.Failure);
        Assert.Equal(Errno.EPERM, refusal.Errno);
        Assert.Contains(cure, refusal.Message, StringComparison.Ordinal);
        Assert.StartsWith(
            "Membarrier.ThisOne(): membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED",
            refusal.Message,
            StringComparison.Ordinal
        );
        Assert.Contains("EPERM", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_sandbox_that_closes_after_the_registration_is_not_taken_for_a_missing_one()
    {
        var kernel = new FakeKernel(FakeKernel.Linux63);
        var session = new MembarrierSession(kernel);
        Assert.Null(session.Register("test", MembarrierRegistrations.SyncCore));
        session.Run("test", MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE);
        kernel.Sandbox = command => command == MEMBARRIER_CMD_QUERY ? 0 : Errno.EPERM;

        MembarrierException refusal = Assert.Throws<MembarrierException>(() =>
            session.Run("test", MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE)
        );
        Assert.Equal(MembarrierFailure.Refused, refusal.Failure);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(int.MinValue)]
    [InlineData(4)]
    [InlineData(9999)]
    [InlineData(int.MaxValue)]
    public void An_impossible_CPU_is_rejected_before_the_call(int cpu)
    {
        var kernel = new FakeKernel(FakeKernel.Linux63);
        _ = Assert.Throws<ArgumentOutOfRangeException>(
            nameof(cpu),
            () => new MembarrierSession(kernel).RunOn("test", cpu)
        );
        Assert.Empty(kernel.Calls);
    }

    [Fact]
    public void A_CPU_that_is_offline_is_rejected_before_the_call()
    {
        var kernel = new FakeKernel(FakeKernel.Linux63);
        ArgumentException refusal = Assert.Throws<ArgumentException>(
            "cpu",
            () => new MembarrierSession(kernel).RunOn("test", 2)
        );
        Assert.Contains("CPU 2 is not online (online: 0-1,3)", refusal.Message, StringComparison.Ordinal);
        Assert.Empty(kernel.Calls);
    }

    [Fact]
    public void A_CPU_that_cannot_be_checked_is_rejected_before_the_call()
    {
        var kernel = new FakeKernel(FakeKernel.Linux63) { OnlineCpus = null };
        MembarrierException refusal = Assert.Throws<MembarrierException>(() =>
            new MembarrierSession(kernel).RunOn("test", 0)
        );
        Assert.Equal(MembarrierFailure.CpusUnknown, refusal.Failure);
        Assert.Empty(kernel.Calls);
    }

    [Fact]
    public void A_CPU_that_is_online_is_passed_on_with_the_flag()
    {
        var kernel = new FakeKernel(FakeKernel.Linux63);
        var session = new MembarrierSession(kernel);
        Assert.Null(session.Register("test", MembarrierRegistrations.RestartSequences));
        session.RunOn("test", 3);

        Assert.Equal((MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_FLAG_CPU, 3), kernel.Calls[^1]);
    }

    [Theory]
    [InlineData(MembarrierFailure.WrongPlatform)]
    [InlineData(MembarrierFailure.UnsafeToCall)]
    public void Where_the_call_must_not_be_made_none_is_made_and_everything_says_so(MembarrierFailure obstacle)
    {
        var kernel = new FakeKernel(FakeKernel.Linux63) { Obstacle = obstacle };
        var session = new MembarrierSession(kernel);
        Action[] uses =
        [
            () => session.Query("test"),
            () => session.GetRegistrations("test"),
            () => session.Run("test", MEMBARRIER_CMD_GLOBAL),
            () => session.Run("test", MEMBARRIER_CMD_PRIVATE_EXPEDITED),
            () => session.RunOn("test", 0),
            () => throw session.Register("test", MembarrierRegistrations.SyncCore)!,
        ];

        Assert.All(
            uses,
            use =>
            {
                MembarrierException refusal = Assert.Throws<MembarrierException>(use);
                Assert.Equal(obstacle, refusal.Failure);
                Assert.Equal(0, refusal.Errno);
            }
        );
        Assert.Equal(MembarrierCommands.None, session.Supported);
        Assert.Equal(MembarrierRegistrations.None, session.FindRegistered());
        Assert.Empty(kernel.Calls);
    }
}
