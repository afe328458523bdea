using Crosscore.Linux;
using Crosscore.PerCpu;
using Crosscore.PerCpu.Advanced;
using FsCheck;
using FsCheck.Fluent;
using Iced.Intel;

namespace Crosscore.Tests.PerCpu;

/// <summary>
/// The machine code of sections: that an independent decoder reads in it what rseq(2) demands, and that it does what
/// the interpreter of the same steps does, for sections that no author has thought of.
/// </summary>
public sealed unsafe class SectionCodeTests
{
    private static readonly Register[] Arguments = [Register.RSI, Register.RDX, Register.RCX, Register.R8];

    /// <summary>What a function must leave as it found it: System V ABI, 3.2.1.</summary>
    private static readonly Register[] Saved =
    [
        Register.RBX,
        Register.RBP,
        Register.RSP,
        Register.R12,
        Register.R13,
        Register.R14,
        Register.R15,
    ];

    private static readonly SlotShape Shape = new(256, 8, 240, 2, PerCpuIndex.Cpu);

    public static TheoryData<string> Standard => [.. StandardPrograms.Keys];

    private static Dictionary<string, SectionProgram> StandardPrograms { get; } =
        new()
        {
            ["add"] = StandardSections.Add(Shape with { Header = 0 }),
            ["compare-store"] = StandardSections.CompareStore(Shape, 16),
            ["push"] = StandardSections.Push(Shape),
            ["pop"] = StandardSections.Pop(Shape),
            ["append"] = StandardSections.Append(Shape, new RingLayout(24, 72)),
            ["append to slots of no power of two"] = StandardSections.Append(
                new SlotShape(1280, 8, 1200, 2, PerCpuIndex.ConcurrencyId),
                new RingLayout(201, 1005)
            ),
        };

    [Theory]
    [MemberData(nameof(Standard))]
    public void A_standard_section_is_as_the_ABI_demands(string name) => AssertSound(StandardPrograms[name]);

    [Fact]
    public void Every_section_is_as_the_ABI_demands() =>
        Check.One(Quietly(500), Prop.ForAll(Arb.From(RandomSections.Programs(Shape)), AssertSound));

    /// <summary>
    /// The same memory, the same arguments, both ways: what comes out and what memory looks like afterwards must not
    /// differ.
    /// </summary>
    [Fact]
    public void Machine_code_and_interpreter_do_the_same()
    {
        Threads.NeedRestarts();
        Check.One(Quietly(300), Prop.ForAll(Arb.From(RandomSections.Cases(AreaShape())), AssertSame));
    }

    private static SlotShape AreaShape() => new PerCpuArea(RandomSections.SlotBytes).Slots.Shape;

    private static Config Quietly(int tests) => Config.QuickThrowOnFailure.WithMaxTest(tests).WithQuietOnSuccess(true);

    private static void AssertSame(SectionCase sample)
    {
        var area = new PerCpuArea(RandomSections.SlotBytes);
        var section = new PerCpuSection(sample.Program, SectionVariant.Shipped);
        int cpu = Threads.Cpus[0];
        byte[] outside = new byte[RandomSections.OutsideBytes];
        Threads.Place(0, cpu);
        try
        {
            fixed (byte* memory = outside)
            {
                nint slot = area.Slots.Slot(cpu);
                long[] arguments = sample.Arguments((nint)memory);
                sample.Fill(slot + area.Slots.Shape.Header, memory);
                // Not by Run, which turns an offset outside of the slot into an exception.
                var code = (delegate* unmanaged<nint, long, long, long, long, SectionResult>)section.Installed!.Entry;
                SectionResult actual = code(area.Slots.Base, arguments[0], arguments[1], arguments[2], arguments[3]);
                byte[] actualOutside = [.. outside];
                byte[] actualSlot = new ReadOnlySpan<byte>((void*)slot, area.Slots.Shape.Stride).ToArray();

                // At the same addresses, because values may be addresses.
                sample.Fill(slot + area.Slots.Shape.Header, memory);
                SectionResult expected = SectionInterpreter.Run(sample.Program, slot, cpu, arguments);
                Assert.Equal(expected, actual);
                Assert.Equal(new ReadOnlySpan<byte>((void*)slot, area.Slots.Shape.Stride).ToArray(), actualSlot);
                Assert.Equal(outside, actualOutside);
            }
        }
        finally
        {
            Threads.Place(0, Threads.Cpus);
            GC.KeepAlive(area);
        }
    }

    /// <summary>
    /// Start follows the store of the pointer, which is the only store to the thread's area; the number of the CPU is
    /// loaded inside; there is no call, no system call and no return inside; the last instruction is the only one that
    /// stores to the committed word; every jump out goes behind the end; the signature lies before the abort, which
    /// goes back to the beginning.
    /// </summary>
    private static void AssertSound(SectionProgram program)
    {
        const int Area = 2336;
        SectionCode code = SectionEmitter.Emit(
            program,
            RegisterChoice.Choose(program)!,
            Area,
            unchecked((nint)0x1234_5678_9ABC),
            SectionVariant.Shipped
        );
        List<Instruction> instructions = Decode(code.Bytes);

        Instruction arming = Assert.Single(
            instructions,
            instruction => instruction.SegmentPrefix == Register.FS && instruction.Op0Kind == OpKind.Memory
        );
        Assert.Equal((ulong)(Area + RseqCall.RseqCsOffset), arming.MemoryDisplacement64);
        Assert.Equal((ulong)code.Start, arming.NextIP);

        List<Instruction> inside =
        [
            .. instructions.Where(instruction =>
                instruction.IP >= (ulong)code.Start && instruction.IP < (ulong)code.PostCommit
            ),
        ];
        Assert.Equal((ulong)code.Start, inside[0].IP);
        Assert.Equal(Register.FS, inside[0].SegmentPrefix);
        ulong[] fields =
        [
            .. inside
                .Where(instruction => instruction.SegmentPrefix == Register.FS)
                .Select(instruction => instruction.MemoryDisplacement64 - Area),
        ];
        // cpu_id tells whether the thread is registered, mm_cid does not
        Assert.Equal(program.Shape.Index == PerCpuIndex.Cpu ? [4] : [4, 24], fields);
        Assert.Equal((ulong)code.PostCommit, inside[^1].NextIP);
        Assert.True(
            inside[^1].Op0Kind == OpKind.Memory && inside[^1].MemoryBase == Register.RAX,
            $"The last instruction is {inside[^1]}."
        );
        Assert.All(
            inside,
            instruction =>
            {
                Assert.True(
                    instruction.FlowControl is FlowControl.Next or FlowControl.ConditionalBranch,
                    instruction.ToString()
                );
                bool stays =
                    // or turns in a loop of copies
                    instruction.FlowControl == FlowControl.Next
                    || instruction.NearBranchTarget < instruction.IP;
                Assert.True(stays || instruction.NearBranchTarget >= (ulong)code.PostCommit, instruction.ToString());
                Assert.False(Writes(instruction, Register.RDI), instruction.ToString());
                Assert.All(
                    Arguments.Take(program.Arguments).Concat(Saved),
                    register => Assert.False(Writes(instruction, register), instruction.ToString())
                );
            }
        );

        Assert.Equal(RseqCall.Signature, BitConverter.ToUInt32(code.Bytes, code.Abort - 4));
        Assert.True(code.Abort > code.PostCommit);
        Instruction back = Assert.Single(instructions, instruction => instruction.IP == (ulong)code.Abort);
        Assert.Equal((FlowControl.UnconditionalBranch, 0UL), (back.FlowControl, back.NearBranchTarget));
    }

    private static bool Writes(Instruction instruction, Register register)
    {
        var factory = new InstructionInfoFactory();
        return factory
            .GetInfo(instruction)
            .GetUsedRegisters()
            .Any(used =>
                used.Register.GetFullRegister() == register
                && used.Access is OpAccess.Write or OpAccess.ReadWrite or OpAccess.CondWrite or OpAccess.ReadCondWrite
                && used.Register.GetFullRegister() == register
            );
    }

    private static List<Instruction> Decode(byte[] code)
    {
        var decoder = Decoder.Create(64, new ByteArrayCodeReader(code));
        var instructions = new List<Instruction>();
        while (decoder.IP < (ulong)code.Length)
        {
            Instruction instruction = decoder.Decode();
            Assert.False(instruction.IsInvalid, $"at {instruction.IP}: {Convert.ToHexString(code)}");
            instructions.Add(instruction);
        }

        return instructions;
    }
}
