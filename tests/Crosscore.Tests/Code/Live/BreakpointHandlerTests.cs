using Crosscore.Code;
using Crosscore.Linux;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Sandbox;
using Iced.Intel;

namespace Crosscore.Tests.Code.Live;

/// <summary>The handler leaves what is not its own as it was.</summary>
public sealed unsafe class BreakpointHandlerTests
{
    private const int DiedOfSigtrap = 128 + 5;

    [Fact]
    public void A_breakpoint_that_is_not_ours_ends_as_it_would_without_live_code()
    {
        Machine.NeedsRawPrograms();
        ChildResult without = ChildProcess.RunThisProgram(Child.MeetForeignBreakpoint);
        ChildResult with = ChildProcess.RunThisProgram(Child.MeetForeignBreakpointWithLiveCode);
        Assert.NotEqual(0, without.Status);
        Assert.Equal(without.Status, with.Status);
        Assert.Equal("a null reference is an exception\n", with.Text);
    }

    [Fact]
    public void Where_the_action_was_the_default_it_still_is()
    {
        Machine.NeedsRawPrograms();
        ChildResult result = ChildProcess.RunThisProgram(Child.MeetDefaultBreakpointWithLiveCode);
        Assert.Equal(DiedOfSigtrap, result.Status);
    }

    [Fact]
    public void Where_signals_were_ignored_those_that_are_sent_still_are()
    {
        Machine.NeedsRawPrograms();
        ChildResult result = ChildProcess.RunThisProgram(Child.MeetIgnoredBreakpointWithLiveCode);
        Assert.Equal("a signal is ignored\na null reference is an exception\n", result.Text);
        Assert.Equal(DiedOfSigtrap, result.Status);
    }

    [Fact]
    public void A_handler_that_is_set_while_ours_is_installed_is_the_one_that_is_passed_on_to()
    {
        Machine.NeedsRawPrograms();
        const int SA_NODEFER = 0x40000000;
        using LiveCode code = LiveCode.Install([.. new byte[5].Select(_ => (byte)0x90), 0xB8, 1, 0, 0, 0, 0xC3]);
        long* calls = stackalloc long[2];
        new Span<long>(calls, 2).Clear(); // SAFETY: both of them.
        using SealedCode first = SealedCode.Seal(Counting(&calls[0]));
        using SealedCode second = SealedCode.Seal(Counting(&calls[1]));
        using InstalledCode seen = first.Install();
        using InstalledCode newcomer = second.Install();
        lock (LiveCode.Patching)
        {
            Assert.Equal(0, Signals.Get(Signals.SIGTRAP, out SignalAction ours));
            try
            {
                SignalAction stale = ours;
                stale.Handler = seen.Address;
                SignalAction set = ours;
                set.Handler = newcomer.Address;
                set.Flags |= SA_NODEFER;
                Assert.Equal(0, Signals.Set(Signals.SIGTRAP, set));
                BreakpointHandler.PutInFrontOf(stale, stale);
                SendSigtrap();
                Assert.Equal((0, 1), (calls[0], calls[1]));
                Assert.Equal(0, Signals.Get(Signals.SIGTRAP, out SignalAction now));
                Assert.Equal(SA_NODEFER, now.Flags & SA_NODEFER); // Its flags, not those of the one that was seen.
                Assert.Equal(PatchMethod.Breakpoint, new CodePatch().Replace(code, 6, [1, 2, 3, 4]).Commit().Method);

                // Where what is in place is what was expected, the other is passed on to: one that was replaced by ours
                // in between.
                BreakpointHandler.PutInFrontOf(stale, now);
                SendSigtrap();
                Assert.Equal((1, 1), (calls[0], calls[1]));
            }
            finally
            {
                Assert.Equal(0, Signals.Set(Signals.SIGTRAP, ours));
            }
        }
    }

    [Fact]
    public void Where_sigaction_is_refused_the_patch_is_and_nothing_is_lost()
    {
        Machine.NeedsRawPrograms();
        ChildResult result = ChildProcess.RunThisProgram(Child.PatchWithoutSigaction);
        Assert.SkipWhen(
            result.Status == Launcher.NotAvailable,
            "This system does not let a process filter its own calls."
        );
        Assert.True(result.Status == 0, $"status {result.Status}: {result.Text} {result.Errors}");
        Assert.Equal($"{CodeFailure.BreakpointHandler} for EPERM\n0 tables lost\n3\n", result.Text);
    }

    [Fact]
    public void Its_machine_code_decodes_and_each_jump_lands_on_an_instruction()
    {
        Machine.NeedsRawPrograms();
        byte[] code = HandlerCode.Emit(0x1122_3344, 0x2000_0000, 0x1000_0000, unchecked((nint)0x7000_0000_0000));
        var decoder = Decoder.Create(64, code);
        var instructions = new List<Instruction>();
        while (decoder.IP < (ulong)code.Length)
        {
            instructions.Add(decoder.Decode());
        }

        HashSet<ulong> starts = [.. instructions.Select(instruction => instruction.IP)];
        Assert.DoesNotContain(instructions, instruction => instruction.IsInvalid);
        Assert.All(
            instructions.Where(instruction => instruction.Op0Kind == OpKind.NearBranch64),
            jump => Assert.Contains(jump.NearBranchTarget, starts)
        );

        // Nothing of the caller's is touched: rbx, rbp, r12 to r15, and the arguments for the handler before us.
        Register[] kept = [Register.RBX, Register.RBP, Register.R12, Register.R13, Register.R14, Register.R15];
        Assert.DoesNotContain(
            instructions,
            instruction =>
                kept.Contains(instruction.Op0Register.GetFullRegister())
                && instruction.Mnemonic is not (Mnemonic.Push or Mnemonic.Pop or Mnemonic.Cmp or Mnemonic.Test)
        );
    }

    /// <summary>A handler that counts: mov rax, address; lock inc qword [rax]; ret.</summary>
    private static byte[] Counting(long* calls) =>
        [0x48, 0xB8, .. BitConverter.GetBytes((long)calls), 0xF0, 0x48, 0xFF, 0x00, 0xC3];

    /// <summary>To the calling thread, which has executed the handler when this returns.</summary>
    private static void SendSigtrap() => Assert.Equal(0, Child.SendSigtrap());
}
