using Crosscore.Linux;
using static Crosscore.Linux.MembarrierCall;

namespace Crosscore;

/// <summary>
/// The use of membarrier(2) by one address space: what is offered, what has been registered, and what each answer
/// means. It remembers only what a successful call has proved, because the kernel's own report contains too much (see
/// <see cref="FindRegistered"/>).
/// </summary>
internal sealed class MembarrierSession
{
    private static readonly int[] CommandsThatNeedRegistration =
    [
        MEMBARRIER_CMD_PRIVATE_EXPEDITED,
        MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE,
        MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ,
    ];

    private readonly IMembarrierKernel _kernel;
    private readonly Lock _registering = new(); // held by the thread that registers

    // MembarrierCommands, once the kernel has answered; 0 before, and a refusal is not remembered.
    private int _supported;

    // MembarrierRegistrations, each bit set by a call that succeeded. Bits are only added: the kernel never removes a
    // registration.
    private int _established;

    public MembarrierSession(IMembarrierKernel kernel) => _kernel = kernel;

    public MembarrierFailure Obstacle => _kernel.Obstacle;

    public MembarrierCommands Supported => FindSupported(out _);

    /// <summary>
    /// Finds what a successful call proves. GET_REGISTRATIONS reports a private registration as soon as any of its two
    /// bits is set, and registering SYNC_CORE or RSEQ sets the "wanted" bit of PRIVATE_EXPEDITED too; it also reports
    /// what another thread has not finished registering (kernel/sched/membarrier.c, membarrier_get_registrations). So
    /// its answer only serves to skip what is certainly missing; the command itself proves the rest.
    /// </summary>
    public MembarrierRegistrations FindRegistered()
    {
        MembarrierCommands supported = FindSupported(out _);
        if (supported == MembarrierCommands.None)
        {
            return (MembarrierRegistrations)Volatile.Read(ref _established);
        }

        int reported = _kernel.Call(MEMBARRIER_CMD_GET_REGISTRATIONS, 0, 0);
        foreach (int command in CommandsThatNeedRegistration)
        {
            MembarrierRegistrations registration = MembarrierDiagnosis.RegistrationFor(command);
            bool worthAsking = reported < 0 || (reported & (int)registration) != 0;
            if (
                worthAsking
                && !Established(registration)
                && supported.HasFlag((MembarrierCommands)command)
                && _kernel.Call(command, 0, 0) == 0
            )
            {
                Establish(registration);
            }
        }

        return (MembarrierRegistrations)Volatile.Read(ref _established);
    }

    /// <summary>
    /// Executes a command once, after registering for it where that is needed: a sandbox may answer QUERY and refuse
    /// what QUERY offers, and only the command itself shows that.
    /// </summary>
    /// <returns>Why it cannot be used, or <see cref="MembarrierFailure.None"/>.</returns>
    public MembarrierFailure Try(string member, int command) =>
        (Register(member, MembarrierDiagnosis.RegistrationFor(command)) ?? Ask(member, command, 0, 0, out _))?.Failure
        ?? MembarrierFailure.None;

    public int Query(string member) => CallOrThrow(member, MEMBARRIER_CMD_QUERY);

    public int GetRegistrations(string member) => CallOrThrow(member, MEMBARRIER_CMD_GET_REGISTRATIONS);

    public void Run(string member, int command)
    {
        _ = CallOrThrow(member, command);
        Establish(MembarrierDiagnosis.RegistrationFor(command));
    }

    /// <summary>
    /// Restarts the sequence on one CPU, after checking the number. The kernel accepts every number: a negative one
    /// means all CPUs, one that is offline or does not exist means none, and both answer 0 (kernel/sched/membarrier.c
    /// tests only the sign).
    /// </summary>
    public void RunOn(string member, int cpu)
    {
        ThrowIfObstacle(member, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ);
        string? possible = _kernel.PossibleCpus;
        string? online = _kernel.OnlineCpus;
        if (possible is null || online is null)
        {
            throw MembarrierDiagnosis.Explain(
                member,
                MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ,
                MembarrierFailure.CpusUnknown,
                0
            );
        }

        if (!CpuList.Contains(possible, cpu))
        {
            throw new ArgumentOutOfRangeException(
                nameof(cpu),
                cpu,
                $"{member}: no such CPU; the possible CPUs of this machine are {possible}."
            );
        }

        if (!CpuList.Contains(online, cpu))
        {
            throw new ArgumentException(
                $"{member}: CPU {cpu} is not online (online: {online}), so no sequence can be running on it. "
                    + "Use an online CPU.",
                nameof(cpu)
            );
        }

        _ = CallOrThrow(member, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_FLAG_CPU, cpu);
        Establish(MembarrierRegistrations.RestartSequences);
    }

    /// <summary>
    /// Restarts the sequence on one CPU for code of this library, whose numbers are possible CPUs by construction, so
    /// nothing is read first. An offline CPU runs no sequence, and the kernel answers 0, or ENXIO, which its own tests
    /// tolerate and which means the same.
    /// </summary>
    /// <param name="member">The member that asks, for the message.</param>
    /// <param name="cpu">A possible CPU, or -1 for all CPUs.</param>
    public void RestartOnPossible(string member, int cpu)
    {
        uint flags = cpu < 0 ? 0 : MEMBARRIER_CMD_FLAG_CPU;
        if (
            Ask(member, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, flags, cpu, out int answer) is { } refusal
            && answer != -Errno.ENXIO
        )
        {
            throw refusal;
        }
    }

    /// <summary>
    /// Registers what is not yet known to be registered. Stops at the first refusal; what succeeded before it stays.
    /// </summary>
    /// <returns>The refusal, or null.</returns>
    public MembarrierException? Register(string member, MembarrierRegistrations registrations)
    {
        const MembarrierRegistrations Known =
            MembarrierRegistrations.GlobalExpedited
            | MembarrierRegistrations.PrivateExpedited
            | MembarrierRegistrations.SyncCore
            | MembarrierRegistrations.RestartSequences;
        if ((registrations & ~Known) != 0)
        {
            throw new ArgumentOutOfRangeException(
                nameof(registrations),
                registrations,
                $"{member}: a bit is no registration; use the values of MembarrierRegistrations."
            );
        }

        if (Established(registrations))
        {
            return null;
        }

        // One thread registers and the others wait for it; otherwise each of them would wait for another grace
        // period.
        lock (_registering)
        {
            foreach (
                MembarrierRegistrations registration in (ReadOnlySpan<MembarrierRegistrations>)
                    [
                        MembarrierRegistrations.GlobalExpedited,
                        MembarrierRegistrations.PrivateExpedited,
                        MembarrierRegistrations.SyncCore,
                        MembarrierRegistrations.RestartSequences,
                    ]
            )
            {
                if (!registrations.HasFlag(registration) || Established(registration))
                {
                    continue;
                }

                if (Ask(member, (int)registration, 0, 0, out _) is { } refusal)
                {
                    return refusal;
                }

                Establish(registration);
            }
        }

        return null;
    }

    private int CallOrThrow(string member, int command, uint flags = 0, int cpu = 0) =>
        Ask(member, command, flags, cpu, out int answer) is { } refusal ? throw refusal : answer;

    private void ThrowIfObstacle(string member, int command)
    {
        if (_kernel.Obstacle != MembarrierFailure.None)
        {
            throw MembarrierDiagnosis.Explain(member, command, _kernel.Obstacle, 0);
        }
    }

    private MembarrierException? Ask(string member, int command, uint flags, int cpu, out int answer)
    {
        answer = 0;
        if (_kernel.Obstacle != MembarrierFailure.None)
        {
            return MembarrierDiagnosis.Explain(member, command, _kernel.Obstacle, 0);
        }

        answer = _kernel.Call(command, flags, cpu);
        if (answer >= 0)
        {
            return null;
        }

        MembarrierRegistrations needed = MembarrierDiagnosis.RegistrationFor(command);
        bool registered = needed != MembarrierRegistrations.None && Established(needed);
        bool queryAnswers = command != MEMBARRIER_CMD_QUERY && _kernel.Call(MEMBARRIER_CMD_QUERY, 0, 0) >= 0;
        MembarrierFailure failure = MembarrierDiagnosis.Classify(command, -answer, registered, queryAnswers);
        return MembarrierDiagnosis.Explain(member, command, failure, -answer);
    }

    /// <summary>
    /// Gets the commands, and why there are none: the kernel's answer to QUERY, from this call or from an earlier one
    /// that succeeded.
    /// </summary>
    public MembarrierCommands FindSupported(out MembarrierFailure failure)
    {
        failure = MembarrierFailure.None;
        if (Volatile.Read(ref _supported) is not 0 and var known)
        {
            return (MembarrierCommands)known;
        }

        if (Ask("Membarrier.Supported", MEMBARRIER_CMD_QUERY, 0, 0, out int answer) is { } refusal)
        {
            failure = refusal.Failure;
            return MembarrierCommands.None;
        }

        var commands = (MembarrierCommands)answer;

        // From 5.10 to 5.16, QUERY omitted RSEQ although it worked (fixed by 809232619f5b). The command itself shows
        // it: a kernel without it answers EINVAL before it looks at the registration; a kernel with it answers EPERM,
        // or executes it. Unlike a trial registration this leaves nothing behind.
        if (
            commands.HasFlag(MembarrierCommands.PrivateExpedited)
            && !commands.HasFlag(MembarrierCommands.PrivateExpeditedRseq)
        )
        {
            int rseq = _kernel.Call(MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0);
            if (rseq is 0 or -Errno.EPERM)
            {
                commands |= MembarrierCommands.PrivateExpeditedRseq | MembarrierCommands.RegisterPrivateExpeditedRseq;
            }
            else if (rseq != -Errno.EINVAL)
            {
                return commands; // no answer to the question (for example ENOMEM): the next call asks again
            }
        }

        Volatile.Write(ref _supported, (int)commands);
        return commands;
    }

    private bool Established(MembarrierRegistrations registrations) =>
        (Volatile.Read(ref _established) & (int)registrations) == (int)registrations;

    private void Establish(MembarrierRegistrations registrations)
    {
        if (!Established(registrations))
        {
            _ = Interlocked.Or(ref _established, (int)registrations);
        }
    }
}
