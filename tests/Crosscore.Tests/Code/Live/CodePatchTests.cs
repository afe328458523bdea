using Crosscore.Code;
using Crosscore.Linux;
using Crosscore.Tests.Raw;
using Crosscore.Tests.Sandbox;

namespace Crosscore.Tests.Code.Live;

/// <summary>What a patch does, and what it refuses and why; after a refusal everything is as it was.</summary>
public sealed unsafe class CodePatchTests
{
    // mov eax, 1 (5 bytes); add eax, 2 (3); nop (1); ret (1)
    private static readonly byte[] Function = [0xB8, 1, 0, 0, 0, 0x83, 0xC0, 2, 0x90, 0xC3];

    // nop, twice; call [rsp+disp32], across aligned 8 bytes; ret
    private static readonly byte[] UnmovableCall = [0x90, 0x90, 0xFF, 0x94, 0x24, 0, 0, 0, 0, 0xC3];

    private static readonly ProcessorFacts Amd = ProcessorFacts.Of(PatchPlannerTests.Amd, PatchPlannerTests.Genoa);
    private static readonly ProcessorFacts Intel = ProcessorFacts.Of(
        PatchPlannerTests.Intel,
        PatchPlannerTests.EmeraldRapids
    );

    public CodePatchTests() => Machine.NeedsRawPrograms();

    [Fact]
    public void A_part_of_an_instruction_within_aligned_8_bytes_is_one_store()
    {
        using LiveCode code = LiveCode.Install(Function);
        Assert.Equal(3, Call(code));
        PatchPlan plan = Commit(new CodePatch(CodeMode.Measured).Replace(code, 1, [40, 0]), Amd);
        Assert.Equal((PatchMethod.SingleStore, 1, 0), (plan.Method, plan.Sites, plan.Synchronizations));
        Assert.Equal(42, Call(code));
        Assert.Equal(40, code.ToArray()[1]);

        plan = Commit(new CodePatch().Replace(code, 1, [41]), Amd);
        Assert.Equal((PatchMethod.SingleStore, 1), (plan.Method, plan.Synchronizations));
        Assert.Equal(43, Call(code));
    }

    [Fact]
    public void A_crossing_of_aligned_8_bytes_takes_breakpoints_whatever_the_cache_line()
    {
        using LiveCode code = LiveCode.Install([0x90, 0x90, 0x90, 0x90, 0x90, .. Function]);
        PatchPlan plan = new CodePatch(CodeMode.Measured).Replace(code, 6, [1, 2, 3, 4]).Commit();
        Assert.Equal((PatchMethod.Breakpoint, 1, 3), (plan.Method, plan.Sites, plan.Synchronizations));
        Assert.Equal(0x04030203, Call(code));
    }

    [Fact]
    public void Many_changes_in_several_pieces_of_code_are_committed_together_with_three_synchronizations()
    {
        using LiveCode first = LiveCode.Install([0x90, 0x90, 0x90, 0x90, 0x90, .. Function]);
        using LiveCode second = LiveCode.Install([.. new byte[60].Select(_ => (byte)0x90), .. Function]);
        long before = CodeEvents.Synchronizations.Value;
        long patched = CodeEvents.Patches.Value;
        PatchPlan plan = new CodePatch()
            .Replace(second, 61, [7, 7, 7, 7])
            .Replace(first, 6, [1, 2, 3, 4])
            .Replace(first, 12, [9])
            .Commit();
        Assert.Equal((PatchMethod.Breakpoint, 3, 3), (plan.Method, plan.Sites, plan.Synchronizations));
        Assert.Equal(3, CodeEvents.Synchronizations.Value - before);
        Assert.Equal(3, CodeEvents.Patches.Value - patched);
        Assert.Equal((0x0403020A, 0x07070709), (Call(first), Call(second)));
    }

    [Fact]
    public void A_patch_can_be_committed_again_and_changes_nothing_where_nothing_changes()
    {
        using LiveCode code = LiveCode.Install(Function);
        CodePatch patch = new CodePatch().Replace(code, 1, [5]);
        Assert.Equal(1, patch.Commit().Sites);
        Assert.Equal((0, 0), (patch.Commit().Sites, patch.Plan().Synchronizations));
    }

    [Fact]
    public void A_patch_that_is_committed_again_sees_what_other_patches_did_in_between()
    {
        using LiveCode code = LiveCode.Install([0x90, 0x90, 0x90, 0x90, 0x90, .. Function]);
        CodePatch wide = new CodePatch().Replace(code, 6, [1, 1, 1]);
        CodePatch back = new CodePatch().Replace(code, 6, [2, 2, 2]);
        foreach (byte last in (ReadOnlySpan<byte>)[3, 4, 5])
        {
            Assert.Equal(PatchMethod.Breakpoint, wide.Commit().Method);
            Assert.Equal(1, new CodePatch().Replace(code, 9, [last]).Commit().Sites); // The same instruction.
            Assert.Equal((last << 24) + 0x010103, Call(code));
            _ = back.Commit();
            Assert.Equal((last << 24) + 0x020204, Call(code));
        }

        // Shorter instructions in its place: the change that was one is two, and each of its instructions keeps its
        // start.
        _ = new CodePatch().Replace(code, 5, [0x90, 0x90, 0x90, 0x31, 0xC0]).Commit();
        Assert.Equal(2, Call(code));
        Assert.Equal(
            CodeFailure.PatchRemovesBoundary,
            Assert.Throws<CodeException>(() => new CodePatch().Replace(code, 5, [0xB8, 1, 1, 1, 1]).Commit()).Failure
        );
    }

    [Fact]
    public void Several_instructions_may_take_the_place_of_one_but_not_one_the_place_of_several()
    {
        using LiveCode code = LiveCode.Install(Function);
        // xor eax, eax; inc eax; nop
        PatchPlan plan = new CodePatch().Replace(code, 0, [0x31, 0xC0, 0xFF, 0xC0, 0x90]).Commit();
        Assert.Equal(PatchMethod.Breakpoint, plan.Method);
        Assert.Equal(3, Call(code));
        Refuses(
            code,
            CodeFailure.PatchRemovesBoundary,
            patch => patch.Replace(code, 0, [0xB8, 1, 0, 0, 0]),
            "A thread may be stopped there"
        );
    }

    [Theory]
    [InlineData(-1, "90", CodeFailure.PatchOutside)]
    [InlineData(10, "90", CodeFailure.PatchOutside)]
    [InlineData(9, "9090", CodeFailure.PatchOutside)]
    [InlineData(int.MaxValue, "90", CodeFailure.PatchOutside)]
    [InlineData(0, "", CodeFailure.PatchOutside)]
    // A move of five bytes over four: it would take the ret for its immediate.
    [InlineData(5, "B8010000", CodeFailure.PatchCutsInstruction)]
    [InlineData(5, "B8", CodeFailure.PatchCutsInstruction)]
    [InlineData(5, "0F1F4000", CodeFailure.PatchRemovesBoundary)] // A nop of four bytes over add and nop.
    [InlineData(0, "D5", CodeFailure.UnknownInstruction)]
    [InlineData(0, "06", CodeFailure.UnknownInstruction)]
    [InlineData(0, "F00F1F4000", CodeFailure.UnknownInstruction)] // LOCK before a NOP: the processor refuses it.
    [InlineData(0, "F0EB009090", CodeFailure.UnknownInstruction)]
    public void Bad_changes_are_refused_by_name(int offset, string hexadecimal, CodeFailure failure)
    {
        using LiveCode code = LiveCode.Install(Function);
        Refuses(code, failure, patch => patch.Replace(code, offset, Convert.FromHexString(hexadecimal)), "");
    }

    [Fact]
    public void Overlapping_changes_are_refused_and_those_before_them_stay()
    {
        using LiveCode code = LiveCode.Install(Function);
        CodePatch patch = new CodePatch().Replace(code, 1, [5, 0, 0, 0]).Replace(code, 7, [1]);
        foreach ((int offset, int length) in new[] { (4, 1), (0, 2), (1, 4), (0, 8), (2, 1) })
        {
            Assert.Equal(
                CodeFailure.PatchOverlaps,
                Assert.Throws<CodeException>(() => patch.Replace(code, offset, new byte[length])).Failure
            );
        }

        _ = patch.Commit();
        Assert.Equal(6, Call(code));
    }

    [Fact]
    public void Code_that_does_not_consist_of_instructions_is_not_installed()
    {
        CodeException refusal = Assert.Throws<CodeException>(() => LiveCode.Install([0x90, 0x06, 0xC3]));
        Assert.Equal(CodeFailure.UnknownInstruction, refusal.Failure);
        Assert.Contains("At 1", refusal.Message, StringComparison.Ordinal);
        _ = Assert.Throws<ArgumentException>(() => LiveCode.Install([]));
        _ = Assert.Throws<CodeException>(() => LiveCode.Install([0xB8, 1]));
        foreach (string locked in (ReadOnlySpan<string>)["F090", "F00F1F00", "F0EB00"])
        {
            refusal = Assert.Throws<CodeException>(() => LiveCode.Install([.. Convert.FromHexString(locked), 0xC3]));
            Assert.Equal(CodeFailure.UnknownInstruction, refusal.Failure);
        }
    }

    [Theory]
    [InlineData(CodeMode.Strict)]
    [InlineData(CodeMode.Measured)]
    public void On_a_processor_of_which_nothing_is_promised_or_measured_every_change_takes_the_breakpoint(CodeMode mode)
    {
        using LiveCode code = LiveCode.Install(Function);
        foreach (
            byte[] change in (byte[][])
                [
                    [9],
                    [9, 9],
                    [9, 9, 9, 9],
                ]
        )
        {
            PatchPlan plan = Commit(new CodePatch(mode).Replace(code, 1, change), Intel);
            Assert.Equal((PatchMethod.Breakpoint, 3), (plan.Method, plan.Synchronizations));
            Assert.DoesNotContain("were measured", plan.Reason, StringComparison.Ordinal);
        }

        Assert.Equal(0x09090909 + 2, Call(code));
    }

    [Fact]
    public void A_question_that_would_be_refused_is_no_refusal()
    {
        using LiveCode code = LiveCode.Install(Function);
        CodePatch patch = new CodePatch().Replace(code, 0, [0x06]);
        long before = CodeEvents.Refusals.Value;
        _ = Assert.Throws<CodeException>(patch.Plan);
        Assert.Equal(before, CodeEvents.Refusals.Value);
        _ = Assert.Throws<CodeException>(patch.Commit);
        Assert.Equal(before + 1, CodeEvents.Refusals.Value);
    }

    [Fact]
    public void What_cannot_be_executed_elsewhere_is_refused_in_strict_mode_and_page_swapped_in_measured_mode()
    {
        using LiveCode code = LiveCode.Install(UnmovableCall);
        Refuses(code, CodeFailure.PatchNotMovable, patch => patch.Replace(code, 5, [1, 1, 1, 1]), "stack pointer");
        PatchPlan plan = new CodePatch(CodeMode.Measured).Replace(code, 5, [1, 1, 1, 1]).Commit();
        Assert.Equal(PatchMethod.PageSwap, plan.Method);
        Assert.Equal([1, 1, 1, 1], code.ToArray()[5..9]);
        Assert.Equal(1, *(byte*)(code.Address + 5)); // SAFETY: inside of the code, which is readable.
        _ = new CodePatch().Replace(code, 5, [2]).Commit();
        Assert.Equal(2, *(byte*)(code.Address + 5)); // SAFETY: as above.
    }

    [Fact]
    public void Nothing_is_changed_while_another_handler_is_installed_and_that_handler_is_not_forgotten()
    {
        using LiveCode code = LiveCode.Install([0x90, 0x90, 0x90, 0x90, 0x90, .. Function]);
        Assert.Equal(0, Signals.Get(Signals.SIGTRAP, out SignalAction ours));
        SignalAction other = ours;
        other.Handler = Signals.SIG_DFL;
        Assert.Equal(0, Signals.Set(Signals.SIGTRAP, other));
        try
        {
            Refuses(
                code,
                CodeFailure.BreakpointHandler,
                patch => patch.Replace(code, 6, [1, 2, 3, 4]),
                "RestoreBreakpointHandler"
            );
            Assert.Equal(PatchMethod.SingleStore, Commit(new CodePatch().Replace(code, 6, [3]), Amd).Method);
            LiveCode.RestoreBreakpointHandler();
            Assert.Equal(PatchMethod.Breakpoint, new CodePatch().Replace(code, 6, [1, 2, 3, 4]).Commit().Method);
            Assert.Equal(0, Signals.Get(Signals.SIGTRAP, out SignalAction again));
            Assert.NotEqual(ours.Handler, again.Handler); // A second one, in front of the default.
        }
        finally
        {
            Assert.Equal(0, Signals.Set(Signals.SIGTRAP, ours));
        }

        Assert.Equal(PatchMethod.Breakpoint, new CodePatch().Replace(code, 6, [4, 3, 2, 1]).Commit().Method);
    }

    [Fact]
    public void Whatever_stands_against_breakpoints_no_table_is_lost()
    {
        byte[] wide = [0x90, 0x90, 0x90, 0x90, 0x90, .. Function];
        using LiveCode code = LiveCode.Install(wide);
        using LiveCode unmovable = LiveCode.Install(UnmovableCall);
        lock (LiveCode.Patching)
        {
            new CodePatch().Replace(code, 6, [1, 2, 3, 4]).Prepare().Abandon(); // At least two tables are free now.
            int free = BreakpointTables.FreeCount;
            var refused = new BreakpointConditions(() => "of a test", () => false);
            var throwing = new BreakpointConditions(() => throw new InvalidOperationException(), () => false);
            CodePatch patch = new CodePatch().Replace(code, 6, [1, 2, 3, 4]);
            Assert.Equal(
                CodeFailure.BreakpointHandler,
                Assert.Throws<CodeException>(() => patch.Prepare(refused)).Failure
            );
            _ = Assert.Throws<InvalidOperationException>(() => patch.Prepare(throwing));
            _ = Assert.Throws<CodeException>(() => new CodePatch().Replace(unmovable, 5, [1, 1, 1, 1]).Prepare());
            Assert.Equal(
                PatchMethod.PageSwap,
                new CodePatch(CodeMode.Measured).Replace(code, 6, [1, 2, 3, 4]).Prepare(refused).Plan.Method
            );
            Assert.Equal(free, BreakpointTables.FreeCount);
        }
    }

    [Theory]
    [InlineData("E800000000", "E801000001", true)] // call rel32, both times
    [InlineData("0F1F440000", "E800000001", true)] // a long nop becomes one
    [InlineData("E800000001", "0F1F440000", true)] // and back
    [InlineData("FF1500000000", "FF1501000001", true)] // call [rip+disp32]
    [InlineData("E900000000", "E901000001", false)] // jmp rel32
    [InlineData("0F1F440000", "9090909090", false)]
    public void With_a_shadow_stack_no_breakpoint_stands_on_a_call(string before, string after, bool isCall)
    {
        // The changed bytes lie on both sides of 8, so that no single store does.
        using LiveCode code = LiveCode.Install([0x90, 0x90, 0x90, 0x90, 0x90, .. Convert.FromHexString(before), 0xC3]);
        byte[] change = Convert.FromHexString(after);
        var with = new BreakpointConditions(() => null, () => true);
        var without = new BreakpointConditions(() => null, () => false);
        lock (LiveCode.Patching)
        {
            CodePatch strict = new CodePatch().Replace(code, 5, change);
            PreparedPatch prepared = strict.Prepare(without);
            Assert.Equal(PatchMethod.Breakpoint, prepared.Plan.Method);
            prepared.Abandon();
            PreparedPatch measured = new CodePatch(CodeMode.Measured).Replace(code, 5, change).Prepare(with);
            Assert.Equal(isCall ? PatchMethod.PageSwap : PatchMethod.Breakpoint, measured.Plan.Method);
            measured.Abandon();
            if (isCall)
            {
                CodeException refusal = Assert.Throws<CodeException>(() => strict.Prepare(with));
                Assert.Equal(CodeFailure.PatchNotMovable, refusal.Failure);
                Assert.Contains("shadow stack", refusal.Message, StringComparison.Ordinal);
            }
            else
            {
                strict.Prepare(with).Abandon();
            }
        }
    }

    [Fact]
    public void With_a_shadow_stack_a_call_within_aligned_8_bytes_is_still_one_store()
    {
        using LiveCode code = LiveCode.Install([0xE8, 0, 0, 0, 0, 0xC3]);
        lock (LiveCode.Patching)
        {
            Assert.Equal(
                PatchMethod.SingleStore,
                new CodePatch()
                    .Replace(code, 1, [1])
                    .Prepare(new BreakpointConditions(() => null, () => true), Amd)
                    .Plan.Method
            );
        }
    }

    [Theory]
    [InlineData(0, ShadowStack.ARCH_SHSTK_SHSTK, true)]
    [InlineData(0, ShadowStack.ARCH_SHSTK_SHSTK | ShadowStack.ARCH_SHSTK_WRSS, true)]
    [InlineData(0, ShadowStack.ARCH_SHSTK_WRSS, false)]
    [InlineData(0, 0, false)]
    [InlineData(-Errno.EINVAL, ShadowStack.ARCH_SHSTK_SHSTK, false)] // A kernel that knows none.
    public void The_kernels_answer_about_shadow_stacks_is_understood(int answer, ulong features, bool isOn) =>
        Assert.Equal(isOn, ShadowStack.IsOn(answer, features));

    /// <summary>As /proc says it, in another way.</summary>
    [Fact]
    public void The_kernel_is_asked_about_this_thread()
    {
        string features =
            File.ReadLines("/proc/thread-self/status")
                .FirstOrDefault(line => line.StartsWith("x86_Thread_features:", StringComparison.Ordinal))
            ?? "";
        Assert.Equal(
            features.Contains("shstk", StringComparison.Ordinal),
            BreakpointConditions.OfThisProcess.HasShadowStack()
        );
    }

    [Fact]
    public void The_first_synchronization_that_is_refused_leaves_everything_as_it_was()
    {
        using LiveCode code = LiveCode.Install([0x90, 0x90, 0x90, 0x90, 0x90, .. Function]);
        lock (LiveCode.Patching)
        {
            PreparedPatch prepared = new CodePatch().Replace(code, 6, [1, 2, 3, 4]).Prepare();
            _ = Assert.Throws<InvalidOperationException>(() =>
                prepared.Write(() => throw new InvalidOperationException())
            );
        }

        Assert.Equal(3, Call(code));
        Assert.Equal(PatchMethod.Breakpoint, new CodePatch().Replace(code, 6, [1, 2, 3, 4]).Commit().Method);
        Assert.Equal(0x04030203, Call(code));
    }

    [Fact]
    public void After_stores_are_undone_the_cores_are_synchronized_again()
    {
        using LiveCode code = LiveCode.Install(Function);
        List<int> seen = [];
        lock (LiveCode.Patching)
        {
            PreparedPatch prepared = new CodePatch()
                .Replace(code, 1, [5])
                .Prepare(BreakpointConditions.OfThisProcess, Amd);
            Assert.Equal(PatchMethod.SingleStore, prepared.Plan.Method);
            _ = Assert.Throws<InvalidOperationException>(() =>
                prepared.Write(() =>
                {
                    seen.Add(Call(code));
                    if (seen.Count < 3)
                    {
                        throw new InvalidOperationException();
                    }
                })
            );
        }

        // With the new instruction in memory, and twice, until it was granted, with the old one.
        Assert.Equal([7, 3, 3], seen);
        Assert.Equal(1, code.ToArray()[1]);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Where_that_is_refused_too_the_failure_says_what_is_known(bool pages)
    {
        using LiveCode code = LiveCode.Install([.. UnmovableCall, .. Function]);
        lock (LiveCode.Patching)
        {
            CodePatch patch = pages
                ? new CodePatch(CodeMode.Measured).Replace(code, 5, [1, 1, 1, 1])
                : new CodePatch().Replace(code, 11, [5]);
            PreparedPatch prepared = patch.Prepare(BreakpointConditions.OfThisProcess, Amd);
            Assert.Equal(pages ? PatchMethod.PageSwap : PatchMethod.SingleStore, prepared.Plan.Method);
            CodeException refusal = Assert.Throws<CodeException>(() =>
                prepared.Write(() => throw new CodeException(CodeFailure.SynchronizationRefused, "It is a test.", 12))
            );
            Assert.Equal((CodeFailure.OldCodeNotConfirmed, 12), (refusal.Failure, refusal.Errno));
            Assert.Contains("memory holds the old instructions", refusal.Message, StringComparison.Ordinal);
            Assert.Equal("It is a test.", refusal.InnerException!.Message);
        }

        byte[] before = [.. UnmovableCall, .. Function];
        Assert.Equal(before, code.ToArray());
        // SAFETY: the code's bytes, which are readable.
        Assert.Equal(before, new ReadOnlySpan<byte>((void*)code.Address, before.Length));
    }

    /// <summary>
    /// A thread can be at the second of two new instructions, which lies inside of the old one: the old page must not
    /// come back.
    /// </summary>
    [Fact]
    public void Pages_on_which_instructions_begin_anew_are_not_reverted()
    {
        using LiveCode code = LiveCode.Install(UnmovableCall);
        int calls = 0;
        lock (LiveCode.Patching)
        {
            PreparedPatch prepared = new CodePatch(CodeMode.Measured)
                .Replace(code, 2, [0x0F, 0x1F, 0x40, 0, 0x0F, 0x1F, 0])
                .Prepare();
            Assert.Equal(PatchMethod.PageSwap, prepared.Plan.Method);
            prepared.Write(() =>
            {
                if (++calls < 3)
                {
                    throw new CodeException(CodeFailure.SynchronizationRefused, "It is a test.");
                }

                Assert.Equal(0x1F, *(byte*)(code.Address + 3)); // SAFETY: inside of the code, which is readable.
            });
        }

        Assert.Equal(3, calls);
        Assert.Equal(0x1F, code.ToArray()[3]);
    }

    /// <summary>
    /// The thread has executed the first of the two, a call that has not returned, and its return address is where the
    /// second begins.
    /// </summary>
    [Fact]
    public void A_thread_stopped_between_two_instructions_that_are_replaced_continues_with_the_second_new_one()
    {
        const int Waiting = 24;

        // nop, 7 times; call 24 and mov eax, 1, each across aligned 8 bytes; ret; traps; at 24: mov dword [rdi], 1;
        // wait: pause; cmp dword [rdi+4], 0; je wait; ret
        byte[] bytes =
        [
            0x90,
            0x90,
            0x90,
            0x90,
            0x90,
            0x90,
            0x90,
            0xE8,
            Waiting - 12,
            0,
            0,
            0,
            0xB8,
            1,
            0,
            0,
            0,
            0xC3,
            .. Enumerable.Repeat((byte)0xCC, Waiting - 18),
            0xC7,
            0x07,
            1,
            0,
            0,
            0,
            0xF3,
            0x90,
            0x83,
            0x7F,
            0x04,
            0x00,
            0x74,
            0xF8,
            0xC3,
        ];
        using LiveCode code = LiveCode.Install(bytes);
        nint address = code.Address;
        int* flags = stackalloc int[2];
        flags[0] = flags[1] = 0;
        nint shared = (nint)flags;
        int answer = 0;

        // SAFETY: the thread is joined before this frame and the code end.
        var thread = new Thread(() => answer = ((delegate* unmanaged<nint, int>)address)(shared));
        thread.Start();
        SpinWait.SpinUntil(() => Volatile.Read(ref *(int*)shared) != 0);
        byte[] nop5 = [0x0F, 0x1F, 0x44, 0x00, 0x00];
        byte[] ten = [0x48, 0xB8, 3, 0, 0, 0, 0, 0, 0, 0]; // One instruction in the place of both.
        Refuses(
            code,
            CodeFailure.PatchRemovesBoundary,
            patch => patch.Replace(code, 7, ten),
            "A thread may be stopped there"
        );
        PatchPlan plan = new CodePatch().Replace(code, 7, nop5).Replace(code, 12, [0xB8, 2, 2, 2, 2]).Commit();
        Volatile.Write(ref flags[1], 1);
        thread.Join();
        Assert.Equal((PatchMethod.Breakpoint, 2), (plan.Method, plan.Sites));
        Assert.Equal(0x02020202, answer);
    }

    [Fact]
    public void When_the_memory_for_copies_is_full_the_patch_is_refused_and_measured_mode_exchanges_pages()
    {
        using LiveCode code = LiveCode.Install([0x90, 0x90, 0x90, 0x90, 0x90, .. Function]);
        int version = 0;
        CodeException? refusal = null;
        byte[] immediate = new byte[4];
        while (refusal is null && version < 10_000)
        {
            version++;
            BitConverter.TryWriteBytes(immediate, Value(version));
            try
            {
                lock (LiveCode.Patching)
                {
                    // This thread meets each breakpoint itself, so each copy has been used.
                    new CodePatch()
                        .Replace(code, 6, immediate)
                        .Prepare()
                        .Write(() => _ = Call(code));
                }
            }
            catch (CodeException full)
            {
                refusal = full;
            }
        }

        Assert.Equal(CodeFailure.OutOfLineMemory, refusal?.Failure);
        Assert.Equal(Value(version - 1) + 2, Call(code));
        Assert.Equal(
            PatchMethod.PageSwap,
            new CodePatch(CodeMode.Measured).Replace(code, 6, immediate).Commit().Method
        );
        Assert.Equal(Value(version) + 2, Call(code));

        // Changes on both sides of the aligned 8 bytes.
        static int Value(int version) => ((version & 0xFF) * 0x010100) + (version >> 8 << 24);
    }

    [Fact]
    public void Where_synchronizing_stays_refused_the_bytes_are_as_before_and_the_exception_says_what_is_not_known()
    {
        ChildResult result = ChildProcess.RunThisProgram(Child.PatchWithoutMembarrier);
        Assert.SkipWhen(
            result.Status == Launcher.NotAvailable,
            "This system does not let a process filter its own calls."
        );
        Assert.True(result.Status == 0, $"status {result.Status}: {result.Text} {result.Errors}");
        CodeFailure first = ProcessorFacts.OfThisProcess.QuadwordIsPromised
            ? CodeFailure.OldCodeNotConfirmed
            : CodeFailure.SynchronizationRefused;
        Assert.Equal(
            [$"{first} for EPERM", "3", $"{CodeFailure.SynchronizationRefused} for EPERM", "3"],
            result.Text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
        );
    }

    [Fact]
    public void A_refused_synchronization_later_on_is_asked_for_again()
    {
        using LiveCode code = LiveCode.Install([0x90, 0x90, 0x90, 0x90, 0x90, .. Function]);
        int calls = 0;
        lock (LiveCode.Patching)
        {
            new CodePatch()
                .Replace(code, 6, [1, 2, 3, 4])
                .Prepare()
                .Write(() =>
                {
                    if (++calls is 2 or 3 or 5)
                    {
                        throw new CodeException(CodeFailure.OutOfMemory, "a test");
                    }
                });
        }

        Assert.Equal(6, calls);
        Assert.Equal(0x04030203, Call(code));
    }

    [Fact]
    public void An_interruption_or_an_unknown_exception_never_leaves_a_patch_half_written()
    {
        using LiveCode code = LiveCode.Install([0x90, 0x90, 0x90, 0x90, 0x90, .. Function]);
        int calls = 0;
        lock (LiveCode.Patching)
        {
            new CodePatch()
                .Replace(code, 6, [1, 2, 3, 4])
                .Prepare()
                .Write(() =>
                {
                    switch (++calls)
                    {
                        case 2:
                            throw new ThreadInterruptedException();
                        case 4:
                            throw new InvalidOperationException();
                        default:
                            break;
                    }
                });
        }

        Assert.Equal(5, calls);
        Assert.Equal(0x04030203, Call(code));
        // The interruption was given back: it is pending, so nothing sleeps.
        _ = Assert.Throws<ThreadInterruptedException>(() => Thread.Sleep(1));
    }

    [Fact]
    public void No_process_can_write_the_code_where_it_is_executed_and_it_is_never_writable_and_executable_at_once()
    {
        using LiveCode code = LiveCode.Install(Function);
        List<MemoryMapLine> lines =
        [
            .. MemoryMap.Read().Where(line => line.Path.Contains("crosscore-live", StringComparison.Ordinal)),
        ];
        Assert.Contains(lines, line => line.Permissions == "r-xs" && line.Start == code.Address);
        Assert.Contains(lines, line => line.Permissions == "rw-s");
        Assert.DoesNotContain(lines, line => line.Permissions.Contains("wx", StringComparison.Ordinal));
        Assert.DoesNotContain(
            Directory.EnumerateFiles("/proc/self/fd"),
            file => new FileInfo(file).LinkTarget?.Contains("crosscore-live", StringComparison.Ordinal) == true
        );
    }

    [Fact]
    public void After_disposal_patches_are_refused()
    {
        LiveCode code = LiveCode.Install(Function);
        CodePatch patch = new CodePatch().Replace(code, 1, [5]);
        code.Dispose();
        code.Dispose();
        _ = Assert.Throws<ObjectDisposedException>(patch.Commit);
        _ = Assert.Throws<ObjectDisposedException>(() => new CodePatch().Replace(code, 1, [5]));
        _ = Assert.Throws<ObjectDisposedException>(() => code.Address);
    }

    private static void Refuses(LiveCode code, CodeFailure failure, Action<CodePatch> change, string meaning)
    {
        byte[] before = code.ToArray();
        long refusals = CodeEvents.Refusals.Value;
        CodeException refusal = Assert.Throws<CodeException>(() =>
        {
            var patch = new CodePatch();
            change(patch);
            _ = patch.Commit();
        });
        Assert.Equal(failure, refusal.Failure);
        Assert.Contains(meaning, refusal.Message, StringComparison.Ordinal);
        Assert.Equal(before, code.ToArray());
        Assert.True(CodeEvents.Refusals.Value > refusals);
    }

    /// <summary>
    /// Commits as on a processor that need not be the one at hand: no other thread executes the code.
    /// </summary>
    private static PatchPlan Commit(CodePatch patch, ProcessorFacts processor)
    {
        lock (LiveCode.Patching)
        {
            PreparedPatch prepared = patch.Prepare(BreakpointConditions.OfThisProcess, processor);
            prepared.Write();
            return prepared.Plan;
        }
    }

    private static int Call(LiveCode code)
    {
        // SAFETY: every version that a test calls is a complete function without arguments.
        return ((delegate* unmanaged<int>)code.Address)();
    }
}
